import { describe, expect, it } from "vitest";
import { parse } from "./filters";
import {
  asCommand,
  asCurl,
  askedColumns,
  columnsOf,
  conditionsOf,
  declared,
  keyOf,
  partsOf,
} from "./listing";
import type { Me } from "./session";
import { sampleCall, sampleColumn, sampleView } from "./views.sample";

const view = sampleView("jobs", {
  id_column: "JobID",
  search: sampleCall("POST", "/api/jobs/search", { search: "{$search}" }),
  columns: [
    sampleColumn("JobID", { type: "int" }),
    sampleColumn("Status", { type: "status" }),
    sampleColumn("Site", { link: "/sites/{Site}" }),
    sampleColumn("Pilot", { link: "/pilots/{PilotStamp}" }),
    sampleColumn("PilotStamp"),
  ],
  default_columns: ["JobID", "Site"],
  default_filter: [
    { parameter: "Owner", operator: "eq", value: "{$me}" },
    { parameter: "LastUpdateTime", operator: "gt", value: "-7d" },
  ],
  status_column: "Status",
  cli: "weyl jobs search --where '{$where}'",
});
const me = { preferred_username: "alice", vo: "lhcb", group: "user" } as Me;

describe("what a list asks for", () => {
  it("is by default what the view says, with who is logged in", () => {
    expect(conditionsOf(view, {}, me)).toEqual(parse("Owner = alice and LastUpdateTime > -7d"));
    expect(conditionsOf(view, { conditions: [] }, me)).toEqual([]);
  });

  it("takes a name with a star as such", () => {
    expect(
      declared([{ parameter: "Owner", operator: "eq", value: "{$me}" }], { $me: "a*" })[0]?.values,
    ).toEqual([{ text: "a*", quoted: true }]);
  });

  it("is only the columns that are shown, and those that they refer to", () => {
    expect(askedColumns(view, columnsOf(view, { columns: ["Pilot", "Nonsense"] }))).toEqual([
      "JobID",
      "Status",
      "Pilot",
      "PilotStamp",
    ]);
  });

  it("can be copied as a command", () => {
    expect(asCommand(view, parse("Status = Failed"))).toBe("weyl jobs search --where 'Status = Failed'");
    expect(asCommand(view, parse('JobName = "it\'s"'))).toBe(
      `weyl jobs search --where 'JobName = "it'\\''s"'`,
    );
    expect(asCommand(view, [])).toBe("weyl jobs search");
  });

  it("tells rows apart by what the view says", () => {
    expect(keyOf(view, { JobID: 5 })).toBe("5");
    expect(partsOf(view, "5")).toEqual({ JobID: 5 });
    const several = { ...view, id_column: "Site", key: ["Site", "JobID"] };
    expect(keyOf(several, { JobID: 5, Site: "A" })).toBe("A|5");
    expect(partsOf(several, "A|5")).toEqual({ Site: "A", JobID: 5 });
    expect(partsOf(several, "A")).toEqual({ Site: "A" });
  });

  it("can be copied as a request", () => {
    const curl = asCurl(
      view.search,
      { $search: [{ parameter: "JobName", operator: "eq", value: "it's" }] },
      "https://x",
    );
    expect(curl).toContain("curl -sS -X POST 'https://x/api/jobs/search'");
    expect(curl).toContain(`"value":"it'\\''s"`);
  });
});
