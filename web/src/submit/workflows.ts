/** What the server says of workflows, and what is made of it for people. */

import type { components } from "@/generated/api";
import type { LineMark } from "@/kit/Editor";
import type { Schema } from "@/kit/views";

type Schemas = components["schemas"];

export type Problem = Schemas["WorkflowProblem"];
export type Validation = Omit<Schemas["Validated"], "schema"> & { schema: Schema | null };
export type DryRun = Schemas["Rehearsal"];

export function errorsOf(problems: readonly Problem[]): Problem[] {
  return problems.filter((problem) => problem.severity === "error");
}

/** Return problems with those first that refuse. */
export function sorted(problems: readonly Problem[]): Problem[] {
  const rank = ({ severity }: Problem) => (severity === "error" ? 0 : 1);
  return [...problems].sort((a, b) => rank(a) - rank(b) || (a.line ?? 0) - (b.line ?? 0));
}

/** Tell whether a problem is one of what was typed into the form. */
export function isOfInputs(problem: Problem): boolean {
  return problem.index !== undefined && problem.index !== null;
}

/** Return the lines of one file that something is said of, and what. */
export function marksOf(problems: readonly Problem[], path: string, entry: string): Map<number, LineMark> {
  const marks = new Map<number, LineMark>();
  for (const problem of problems) {
    if (problem.line && !isOfInputs(problem) && (problem.file ?? entry) === path) {
      const before = marks.get(problem.line);
      marks.set(problem.line, {
        tone: problem.severity === "error" || before?.tone === "danger" ? "danger" : "warning",
        text: before ? `${before.text}\n${problem.detail}` : problem.detail,
      });
    }
  }
  return marks;
}

/** Return what is wrong with the fields of the form, by their places; a problem of a whole object belongs to none. */
export function fieldProblems(problems: readonly Problem[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const problem of problems) {
    const place = problem.pointer.replace(/^\//, "");
    if (isOfInputs(problem) && problem.severity === "error" && place !== "") {
      found[place] ??= detailOf(problem);
    }
  }
  return found;
}

export function detailOf({ detail, did_you_mean: meant }: Problem): string {
  return meant && !detail.includes(meant) ? `${detail} Did you mean ${meant}?` : detail;
}

/** Read problems from an answer that refuses. */
export function problemsOf(said: Record<string, unknown>): Problem[] {
  return Array.isArray(said.problems) ? (said.problems as Problem[]) : [];
}
