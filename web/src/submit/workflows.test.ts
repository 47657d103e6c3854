import { describe, expect, it } from "vitest";
import { detailOf, fieldProblems, marksOf, type Problem, sorted } from "./workflows";

const problem = (more: Partial<Problem>): Problem => ({
  code: "invalid",
  severity: "error",
  detail: "Wrong.",
  pointer: "",
  ...more,
});

describe("problems of a workflow", () => {
  it("are marked at the lines of the file that is shown", () => {
    const problems = [
      problem({ line: 3, severity: "warning", detail: "Odd." }),
      problem({ line: 3 }),
      problem({ line: 5, severity: "warning", file: "main.cwl" }),
      problem({ line: 7, file: "tools/a.cwl" }),
      problem({ line: 9, index: 0 }),
      problem({}),
    ];
    expect([...marksOf(problems, "main.cwl", "main.cwl")]).toEqual([
      [3, { tone: "danger", text: "Odd.\nWrong." }],
      [5, { tone: "warning", text: "Wrong." }],
    ]);
    expect([...marksOf(problems, "tools/a.cwl", "main.cwl").keys()]).toEqual([7]);
  });

  it("come with those first that refuse", () => {
    const lines = sorted([
      problem({ line: 1, severity: "warning" }),
      problem({ line: 9 }),
      problem({ line: 2 }),
    ]);
    expect(lines.map((each) => each.line)).toEqual([2, 9, 1]);
  });

  it("stand at the fields of the form where they are problems of inputs", () => {
    const found = fieldProblems([
      problem({ index: 0, pointer: "/reads/1", did_you_mean: "File" }),
      problem({ index: 1, pointer: "/reads/1", detail: "Another." }),
      problem({ index: 0, pointer: "" }),
      problem({ pointer: "/inputs/seed" }),
    ]);
    expect(found).toEqual({ "reads/1": "Wrong. Did you mean File?" });
  });

  it("say what was meant, once", () => {
    expect(detailOf(problem({ detail: "Did you mean x?", did_you_mean: "x" }))).toBe("Did you mean x?");
  });
});
