import { describe, expect, it } from "vitest";
import { type Condition, FilterFault, parse, parseQuery, render, specs } from "./filters";
import cases from "./filters.cases.json";
import { wanted } from "./listing";
import queries from "./queries.cases.json";

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

describe("queries for files", () => {
  it.each(queries.meanings)("means of $text what the command line does", ({ text, query }) => {
    const { $search, $under, $depth } = wanted(specs(parseQuery(text, "Directory"), now));
    expect({ under: $under, depth: $depth, where: $search }).toEqual({
      under: undefined,
      depth: undefined,
      ...query,
    });
  });

  it.each(queries.meanings)("are read back from what is written of $text", ({ text }) => {
    const conditions = parseQuery(text, "Directory");
    expect(parseQuery(render(conditions), "Directory")).toEqual(conditions);
  });

  it.each(queries.refused)("are refused where $text is wrong", ({ text, expected }) => {
    expect(() => parseQuery(text, "Directory")).toThrow(expected);
  });

  it.each(["/vo/a:", "/vo/a b", "/vo/it's", "/vo/depth", "/vo/\\n", "/vo/a,b"])("may be below %s", (path) => {
    const conditions: Condition[] = [
      { parameter: "Directory", operator: "under", values: [{ text: path, quoted: true }] },
    ];
    const [read] = parseQuery(render(conditions), "Directory");
    expect(read?.values[0]?.text).toBe(path);
  });
});
