import { describe, expect, it } from "vitest";
import { type Condition, FilterFault, parse, render, specs } from "./filters";
import cases from "./filters.cases.json";

const now = new Date(cases.now);

describe("the filter language", () => {
  it.each(cases.meanings)("reads $text as the command line does", ({ text, specs: wanted }) => {
    expect(specs(parse(text), now)).toEqual(wanted);
  });

  it.each(cases.meanings)("reads back what it writes of $text", ({ text }) => {
    const conditions = parse(text);
    expect(parse(render(conditions))).toEqual(conditions);
  });

  it.each(cases.refused)("refuses $text and says where", ({ text, expected }) => {
    expect(() => parse(text)).toThrow(FilterFault);
    expect(() => parse(text)).toThrow(expected);
  });

  it("reads ten thousand characters at once", () => {
    const long = Array.from({ length: 500 }, (_, i) => `JobName = name-${i}`).join(" and ");
    expect(parse(long)).toHaveLength(500);
  });

  it("writes a value that would mean something else in quotes", () => {
    const conditions: Condition[] = [
      { parameter: "Site", operator: "eq", values: [{ text: "a b", quoted: false }] },
    ];
    expect(render(conditions)).toBe('Site = "a b"');
  });
});
