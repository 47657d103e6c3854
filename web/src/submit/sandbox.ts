/** Adds a sandbox to a description: what is sent is what was written, with one more name in its InputSandbox. */

import { offsetOf, type Place } from "@/kit/Editor";
import { isMapping } from "@/kit/templates";
import { type Form, placeAt } from "./descriptions";

export type Sent = {
  documents: unknown[];
  /** What is sent, for people. */
  shown: string;
  /** Return where something is in what was written that is at this place in what is sent. */
  back: (place: Place) => Place;
};

type Edit = { at: number; removed: number; put: string };

/** Return what is sent of a text that reads as these documents. */
export function withSandbox(
  { form, text, documents }: { form: Form; text: string; documents: unknown[] },
  reference: string | undefined,
): Sent {
  if (reference === undefined) {
    return { documents, shown: text, back: (place) => place };
  }
  if (form === "json") {
    const changed = documents.map((each) => inJson(each, reference));
    const shown = JSON.stringify(changed.length === 1 ? changed[0] : changed, null, 2);
    return { documents: changed, shown, back: (place) => place };
  }
  const edit = editOfJdl(text, reference);
  const shown = text.slice(0, edit.at) + edit.put + text.slice(edit.at + edit.removed);
  return { documents: [shown], shown, back: (place) => placeBefore(text, shown, edit, place) };
}

function inJson(document: unknown, reference: string): unknown {
  if (!isMapping(document)) {
    return document;
  }
  const isIt = (name: string) => name.replaceAll("_", "").toLowerCase() === "inputsandbox";
  const key = Object.keys(document).find(isIt) ?? "input_sandbox";
  const value = document[key] ?? [];
  const given = Array.isArray(value) ? value : typeof value === "string" ? value.split(",") : [value];
  return { ...document, [key]: [reference, ...given] };
}

/** A step through JDL: what means nothing, a text, a name, or one character. */
const STEP =
  /(?<blank>[\s\ufeff]+|#[^\n]*|\/\/[^\n]*|\/\*(?:[^*]|\*(?!\/))*\*\/)|(?<text>"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*')|(?<name>[A-Za-z_][A-Za-z0-9_.-]*)|[\s\S]/gu;

/** Return the change of a JDL text that adds a sandbox. It adds no line: what the server says of lines stays right. */
function editOfJdl(text: string, reference: string): Edit {
  const name = `"${reference.replaceAll(/["\\]/g, "\\$&")}"`;
  const { begin, value } = inputSandbox(text);
  if (!value) {
    return { at: begin, removed: 0, put: `${begin ? " " : ""}InputSandbox = {${name}};${begin ? "" : " "}` };
  }
  const old = text.slice(value.start, value.end);
  if (old.startsWith("{")) {
    const isEmpty = tokens(old)[1]?.[0] === "}";
    return { at: value.start + 1, removed: 0, put: isEmpty ? name : `${name}, ` };
  }
  const isText = tokens(old).length === 1 && old.startsWith('"');
  // A single text may be a list with commas.
  const given = isText
    ? old
        .slice(1, -1)
        .split(",")
        .map((each) => `"${each}"`)
    : [old];
  const all = old.toLowerCase() === "undefined" ? [name] : [name, ...given];
  return { at: value.start, removed: old.length, put: `{${all.join(", ")}}` };
}

function tokens(text: string): RegExpMatchArray[] {
  return [...text.matchAll(STEP)].filter((step) => step.groups?.blank === undefined);
}

/** Find where attributes begin, and the value of InputSandbox: of several the last, which counts. */
function inputSandbox(text: string): { begin: number; value?: { start: number; end: number } } {
  const steps = tokens(text);
  const isClosed = steps[0]?.[0] === "[";
  const begin = isClosed ? (steps[0]?.index ?? 0) + 1 : 0;
  let found: { start: number; end: number } | undefined;
  let attribute = "";
  let start: number | undefined;
  let depth = 0;
  let end = begin;
  const finish = () => {
    if (attribute === "inputsandbox" && start !== undefined && end > start) {
      found = { start, end };
    }
    attribute = "";
    start = undefined;
  };
  let isValue = false;
  for (const step of steps.slice(isClosed ? 1 : 0)) {
    const [word] = step;
    const at = step.index ?? 0;
    if (depth === 0 && (word === ";" || word === "]")) {
      finish();
      isValue = false;
    } else if (!isValue) {
      isValue = word === "=" && attribute !== "";
      attribute = step.groups?.name?.toLowerCase() ?? attribute;
    } else {
      start ??= at;
      end = at + word.length;
      depth += "([{".includes(word) ? 1 : ")]}".includes(word) ? -1 : 0;
    }
  }
  finish();
  return { begin, value: found };
}

function placeBefore(text: string, sent: string, { at, removed, put }: Edit, place: Place): Place {
  const offset = offsetOf(sent, place);
  const before = offset <= at ? offset : Math.max(at, offset - put.length + removed);
  const found = placeAt(text, before);
  return place.column === undefined ? { line: place.line } : found;
}
