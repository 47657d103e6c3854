/**
 * Colours in logs: of the codes that terminals know, those for colours and weight, and nothing else.
 *
 * Everything stays text. Codes that move the cursor, set titles or make links are taken out without being followed.
 */

export type Span = { text: string; bold?: boolean; tone?: string };

// The whole family of control sequences; only those that end in `m` mean something here.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that it is about.
const CODE = /\u001b\[([0-9;:]*)([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[@-Z\\^_]?/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;
const TONES = ["neutral", "danger", "success", "warning", "info", "info", "progress", "neutral"];

/** Split a line into pieces of one look each. */
export function spansOf(line: string): Span[] {
  const spans: Span[] = [];
  let look: Omit<Span, "text"> = {};
  let at = 0;
  const add = (text: string) => {
    const clean = text.replace(CONTROL, "");
    if (clean) {
      spans.push({ text: clean, ...look });
    }
  };
  for (const match of line.matchAll(CODE)) {
    add(line.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === "m") {
      look = changed(look, match[1] ?? "");
    }
  }
  add(line.slice(at));
  return spans;
}

function changed(look: Omit<Span, "text">, codes: string): Omit<Span, "text"> {
  let next = look;
  const numbers = codes.split(/[;:]/).map(Number);
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at] ?? 0;
    if (code === 38 || code === 48) {
      // A colour out of 256 or of millions: its numbers belong to it and are left out.
      at += numbers[at + 1] === 5 ? 2 : 4;
    } else if (code === 0) {
      next = {};
    } else if (code === 1) {
      next = { ...next, bold: true };
    } else if (code === 22) {
      next = { ...next, bold: false };
    } else if (code === 39) {
      next = { ...next, tone: undefined };
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      next = { ...next, tone: TONES[code % 10] };
    }
  }
  return next;
}

/** Split a log into lines; a carriage return begins its line anew, as progress bars mean it. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") {
    lines.pop();
  }
  return lines.map((line) => (line.includes("\r") ? (line.split("\r").filter(Boolean).at(-1) ?? "") : line));
}
