import { describe, expect, it } from "vitest";
import { csvLine, csvRows, ndjsonRows } from "./exports";

describe("exported rows", () => {
  it("quote what CSV needs quoted", () => {
    expect(csvLine(["a,b", 'say "x"', "two\nlines", 5, null])).toBe('"a,b","say ""x""","two\nlines",5,\r\n');
  });

  it("are no formulas in a spreadsheet", () => {
    expect(csvLine(["=cmd|' /C calc'!A0", "-1", "@x", -5])).toBe("'=cmd|' /C calc'!A0,-1,'@x,-5\r\n");
  });

  it("have the columns that are shown, in their order", () => {
    const rows = [{ b: 1, a: "x", c: 3 }];
    expect(csvRows(rows, ["a", "b"])).toBe("x,1\r\n");
    expect(ndjsonRows(rows, ["a", "missing", "b"])).toBe('{"a":"x","b":1}\n');
  });
});
