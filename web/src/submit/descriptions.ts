/** Job descriptions as people write them: what is sent of a text, and where in it something is wrong. */

import type { ApiFault } from "@/kit/api";
import type { Place } from "@/kit/Editor";
import { isMapping } from "@/kit/templates";

export type Form = "jdl" | "json";
export type Wrong = { message: string; place?: Place };
export type Read = { isRead: true; documents: unknown[] } | { isRead: false; wrong: Wrong };

/** Return the descriptions of a text. JDL is read by the server; JSON may be one description or a list of them. */
export function readDescriptions(form: Form, text: string): Read {
  if (form === "jdl") {
    return { isRead: true, documents: [text] };
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    return { isRead: false, wrong: wrongJson(text, error instanceof Error ? error.message : String(error)) };
  }
  const documents = Array.isArray(content) ? content : [content];
  const odd = documents.findIndex((each) => !isMapping(each));
  if (odd >= 0 || documents.length === 0) {
    const message =
      documents.length === 0
        ? "The list is empty: describe at least one job."
        : `Description ${odd + 1} is no object: write {"executable": …}.`;
    return { isRead: false, wrong: { message } };
  }
  return { isRead: true, documents };
}

/** Browsers say where JSON breaks in two ways: by line and column, or by how many characters came before. */
function wrongJson(text: string, message: string): Wrong {
  const lines = /line (\d+) column (\d+)/.exec(message);
  if (lines) {
    return { message, place: { line: Number(lines[1]), column: Number(lines[2]) } };
  }
  const position = /position (\d+)/.exec(message);
  const isShort = message.includes("end of JSON");
  return position || isShort
    ? { message, place: placeAt(text, position ? Number(position[1]) : text.length) }
    : { message };
}

export function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/**
 * Return what a refusal says is wrong, and where: as the server says, or where the attribute is written. `back` leads
 * from places in what was sent to those in the text.
 */
export function wrongOf(
  text: string,
  { message, said }: Pick<ApiFault, "message" | "said">,
  back: (place: Place) => Place = (place) => place,
): Wrong {
  if (typeof said.line === "number") {
    const column = typeof said.column === "number" ? said.column : undefined;
    return { message, place: back({ line: said.line, column }) };
  }
  const place = typeof said.attribute === "string" ? placeOfKey(text, said.attribute) : undefined;
  return { message, place };
}

/** Find the key of an attribute: `InputSandbox` may be written as `input_sandbox`. */
export function placeOfKey(text: string, attribute: string): Place | undefined {
  const wanted = plain(attribute);
  for (const match of text.matchAll(/"([^"\\\n]+)"\s*:/g)) {
    if (plain(match[1] ?? "") === wanted) {
      return placeAt(text, match.index);
    }
  }
  return undefined;
}

function plain(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}

/** Write ids briefly: those that follow each other as a range. */
export function idRanges(ids: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const id of [...ids].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && id === last[1] + 1) {
      last[1] = id;
    } else {
      ranges.push([id, id]);
    }
  }
  const shown = ranges.slice(0, 5).map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`));
  return ranges.length > 5 ? `${shown.join(", ")} …` : shown.join(", ");
}

/** Return a key that no other submission has. */
export function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}
