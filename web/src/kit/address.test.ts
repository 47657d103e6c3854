import { describe, expect, it } from "vitest";
import { readSearch, readState, writeSearch, writeState } from "./address";
import { parse, parseQuery, specs } from "./filters";

const now = new Date("2026-03-10T12:00:00Z");

function trip(text: string) {
  return specs(
    readState(readSearch(writeSearch(writeState({ conditions: parse(text) })))).conditions ?? [],
    now,
  );
}

describe("the address of a list", () => {
  it("is what the documentation says", () => {
    const address =
      "?f=Status:in:Failed,Stalled&f=LastUpdateTime:gt:-2d&cols=JobID,Status,Site&sort=-JobID&by=Site&sel=123&tab=why";
    const state = readState(readSearch(address));
    expect(state.conditions).toEqual(parse("Status in (Failed, Stalled) and LastUpdateTime > -2d"));
    expect(state).toMatchObject({ columns: ["JobID", "Status", "Site"], by: "Site", sel: "123", tab: "why" });
    expect(state.sort).toEqual([{ column: "JobID", descending: true }]);
    expect(writeSearch(writeState(state))).toBe(address);
  });

  it.each([
    "Site = LCG.*",
    'Site = "LCG.*"',
    'JobName = "-2d"',
    "LastUpdateTime > -2d",
    'JobName in ("a,b", "50%", "c d", e)',
    "JobName not like a%",
    'JobName ~ "^(a|b)&c=#?+$"',
    "Status in ()",
    'JobName = "<script>alert(1)</script>"',
    'JobName = "100%2A"',
  ])("keeps %s", (text) => {
    expect(trip(text)).toEqual(specs(parse(text), now));
  });

  it("tells no filter from the default one", () => {
    expect(readState(readSearch("")).conditions).toBeUndefined();
    expect(readState(readSearch("?f=")).conditions).toEqual([]);
    expect(writeSearch(writeState({ conditions: [] }))).toBe("?f=");
  });

  it("leaves out what is no condition", () => {
    expect(readState(readSearch("?f=nonsense&f=Status:is:Done&f=Status:eq:Done")).conditions).toEqual(
      parse("Status = Done"),
    );
  });

  it("survives percent signs that encode nothing", () => {
    expect(readState(readSearch("?f=JobName:eq:50%25")).conditions?.[0]?.values[0]?.text).toBe("50%");
  });

  it("keeps queries for files", () => {
    const text = 'under "/vo/a,b" depth 0: Run between 1 and 2 and Note exists and Size >= 5';
    const conditions = parseQuery(text, "Directory");
    const address = writeSearch(writeState({ conditions }));
    expect(address).toContain(
      "f=Directory:under:/vo/a%252Cb,0&f=Run:between:1,2&f=Note:exists:&f=Size:gte:5",
    );
    expect(specs(readState(readSearch(address)).conditions ?? [], now)).toEqual(specs(conditions, now));
    expect(readState(readSearch("?f=Run:between:1&f=Directory:under:")).conditions).toEqual([]);
  });
});
