import { describe, expect, it } from "vitest";
import { fill, fillCommand, fillPath, fillText, placeholders, saysAll } from "./templates";

describe("templates of views", () => {
  it("become the value itself where they are one placeholder", () => {
    const body = { job_ids: "{$ids}", search: "{$search}" };
    expect(fill(body, { $ids: [1, 2], $search: [] })).toEqual({ job_ids: [1, 2], search: [] });
  });

  it("leave out what has no value", () => {
    expect(
      fill({ reason: "{form.reason}", until: "{form.until}" }, { form: { reason: "tape", until: "" } }),
    ).toEqual({
      reason: "tape",
    });
  });

  it("put words into a longer text", () => {
    expect(fillText("weyl jobs kill {$ids}", { $ids: [1, 2] })).toBe("weyl jobs kill 1 2");
  });

  it("quote what goes into a command, and say what stands for nothing", () => {
    const command = "weyl sites ban {$ids} --reason {form.reason} --until {form.until|never}";
    const form = { reason: "it's down", until: "" };
    expect(fillCommand(command, { $ids: ["A", "B C"], form })).toBe(
      `weyl sites ban A 'B C' --reason 'it'\\''s down' --until never`,
    );
    expect(saysAll(command, form, [{ site: "A" }, { site: "B C" }])).toBe(true);
    expect(saysAll(command, { ...form, vo: "all" }, [])).toBe(false);
    const ofOne = "weyl ses allow {$ids} --access {access}";
    expect(saysAll(ofOne, {}, [{ access: "read" }, { access: "read" }])).toBe(true);
    expect(saysAll(ofOne, {}, [{ access: "read" }, { access: "write" }])).toBe(false);
  });

  it("quote what goes into a path", () => {
    expect(fillPath("/api/pilots/{PilotStamp}/logs", { PilotStamp: "a/../b c" })).toBe(
      "/api/pilots/a%2F..%2Fb%20c/logs",
    );
  });

  it("keep items of lists in their order, those without a value left out", () => {
    expect(fill(["{a}", "x {b}", "{c}"], { a: 1, b: 2 })).toEqual([1, "x 2"]);
  });

  it("name their placeholders", () => {
    expect(placeholders({ a: ["{x}", { b: "n {y.z} {$ids}" }] })).toEqual(["x", "y.z", "$ids"]);
  });
});
