import { describe, expect, it } from "vitest";
import { type Cluster, changeOf, columnsOf, jobsOf, nameOf, strength } from "./clusters";

const cluster = (sites: Record<string, number>) => ({ sites, users: { alice: 1 } }) as unknown as Cluster;

describe("clusters of failures", () => {
  it("lead to their jobs, in the time and at the place that is shown", () => {
    expect(jobsOf("0123456789abcdef", "-1d", { name: "Site", value: "LCG.A.ch" })).toEqual({
      f: ["FailureSignature:eq:0123456789abcdef", "LastUpdateTime:gt:-1d", "Site:eq:LCG.A.ch"],
    });
  });

  it("have the places with most failures first", () => {
    expect(columnsOf([cluster({ A: 1, B: 2 }), cluster({ A: 5 })], "site")).toEqual(["A", "B"]);
    expect(columnsOf([cluster({ A: 1 })], "owner")).toEqual(["alice"]);
  });

  it("are called by one of them as it was", () => {
    expect(nameOf({ example: "Exited With Status 3", text: "exited with status <n>" })).toBe(
      "Exited With Status 3",
    );
    expect(nameOf({ example: "", text: "exited with status <n>" })).toBe("Exited with status <n>");
    expect(nameOf({ example: "", text: "" })).toBe("");
  });

  it("are drawn by their size, and not at all where there are none", () => {
    expect(strength(0, 10)).toBe(0);
    expect(strength(10, 10)).toBe(60);
    expect(strength(1, 1000)).toBeLessThan(strength(100, 1000));
  });

  it("say how they developed", () => {
    expect(changeOf({ count: 3, before: 0, is_new: true })).toBe("new");
    expect(changeOf({ count: 3, before: 5, is_new: false })).toBe("−2");
    expect(changeOf({ count: 3, before: 3, is_new: false })).toBe("as before");
  });
});
