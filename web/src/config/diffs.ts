/** Differences as git writes them, line by line with what each line is. */

export type DiffLine = { text: string; kind: "added" | "removed" | "about" | "same" };

export function linesOf(diff: string): DiffLine[] {
  return diff
    .replace(/\n$/, "")
    .split("\n")
    .map((text) => ({ text, kind: kindOf(text) }));
}

function kindOf(text: string): DiffLine["kind"] {
  if (/^(diff |index |--- |\+\+\+ |@@|new file|deleted file)/.test(text)) {
    return "about";
  }
  return text.startsWith("+") ? "added" : text.startsWith("-") ? "removed" : "same";
}

/** Return how many lines a difference adds and takes away. */
export function sizeOf(diff: string): { added: number; removed: number } {
  const lines = linesOf(diff);
  return {
    added: lines.filter((line) => line.kind === "added").length,
    removed: lines.filter((line) => line.kind === "removed").length,
  };
}
