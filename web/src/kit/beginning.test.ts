import { beforeEach, describe, expect, it, vi } from "vitest";
import { beginDescription, describedBy } from "./beginning";
import { readDraft, writeDraft } from "./drafts";
import { sampleCall, sampleColumn, sampleView } from "./views.sample";

const files = sampleView("files", { columns: [sampleColumn("LFN")] });
const call = sampleCall("POST", "/api/jobs/jdl", ['InputData = "%s"; Parameters = {$each.LFN};']);

describe("a description over chosen rows", () => {
  it("has their values as a list of JDL", () => {
    expect(describedBy(call, files, [{ LFN: "/vo/a" }])).toBe('InputData = "%s"; Parameters = {"/vo/a"};');
    const several = describedBy(call, files, [{ LFN: "/vo/a" }, { LFN: 'b"c\\d' }]);
    expect(several).toContain('Parameters = {\n    "/vo/a",\n    "b\\"c\\\\d"\n  };');
  });
});

describe("a description that is begun", () => {
  const stored = new Map<string, string>();
  beforeEach(() => {
    stored.clear();
    vi.stubGlobal("sessionStorage", {
      getItem: (name: string) => stored.get(name) ?? null,
      setItem: (name: string, value: string) => stored.set(name, value),
    });
  });

  it("keeps what somebody had written", () => {
    writeDraft("submit", { jdl: "mine", json: "{}" });
    beginDescription("first");
    beginDescription("second");
    expect(readDraft("submit")).toMatchObject({ jdl: "second", json: "{}", before: "mine" });
    expect(readDraft("submit.kind")).toEqual({ kind: "jdl" });
  });

  it("has nothing to keep where nobody wrote", () => {
    beginDescription("first");
    expect(readDraft("submit")).not.toHaveProperty("before");
  });
});
