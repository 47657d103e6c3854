import { describe, expect, it } from "vitest";
import { linesOf, spansOf } from "./ansi";

const ESC = "\u001b";

describe("a line of a log", () => {
  it("stays text, whatever is in it", () => {
    expect(spansOf("<script>alert(1)</script>")).toEqual([{ text: "<script>alert(1)</script>" }]);
  });

  it("has its colours", () => {
    expect(spansOf(`a ${ESC}[1;31mbad${ESC}[0m end`)).toEqual([
      { text: "a " },
      { text: "bad", bold: true, tone: "danger" },
      { text: " end" },
    ]);
  });

  it.each([
    [`${ESC}[2J${ESC}[1;1Hx`, "x"],
    [`${ESC}]8;;https://evil.example\u0007link${ESC}]8;;\u0007`, "link"],
    [`${ESC}]0;title${ESC}\\x`, "x"],
    [`${ESC}[38;5;196mx`, "x"],
    [`${ESC}[38;2;1;2;31mx`, "x"],
    [`a\u0000\u0007b${ESC}`, "ab"],
  ])("loses every other code (%j)", (line, text) => {
    const spans = spansOf(line);
    expect(spans.map((span) => span.text).join("")).toBe(text);
    expect(spans.every((span) => span.tone === undefined)).toBe(true);
  });

  it("is what a progress bar has written last", () => {
    expect(linesOf("10 %\r50 %\r100 %\r\ndone\n")).toEqual(["100 %", "done"]);
  });
});
