/** The files of a workflow as the browser has them: which of those that were chosen belong to it, and its manifest. */

import { formatBytes } from "@/kit/formats";
import { PackFault } from "./archive";
import type { Chosen } from "./choosing";
import { sha256 } from "./inputs";

export type Document = {
  path: string;
  bytes: Uint8Array<ArrayBuffer> /** None: it is no text. */;
  text?: string;
};
export type Manifest = {
  v: 1;
  entry: string;
  fragment: string | null;
  files: Record<string, { sha256: string; size: number; content?: string }>;
};

/** What the one file of a workflow is called that is a text. */
export const TEXT_PATH = "workflow.cwl";
const DOCUMENT_MAX = 4 * 1024 * 1024;
const TOGETHER_MAX = 16 * 1024 * 1024;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Read a file of a workflow; throws in words where it cannot belong to one. */
export async function readDocument({ path, file }: Chosen): Promise<Document> {
  if (file.size > DOCUMENT_MAX) {
    throw new PackFault(
      `“${path}” has ${formatBytes(file.size)}, but files of a workflow may have at most ${formatBytes(DOCUMENT_MAX)}. Pass large files as inputs.`,
    );
  }
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new PackFault(`“${path}” cannot be read any more. Choose the files again.`);
  }
  return documentOf(path, bytes);
}

export function documentOf(path: string, bytes: Uint8Array<ArrayBuffer>): Document {
  try {
    return { path, bytes, text: utf8.decode(bytes) };
  } catch {
    return { path, bytes };
  }
}

export function textDocument(path: string, text: string): Document {
  return { path, bytes: new TextEncoder().encode(text), text };
}

/**
 * Return those of the known paths that a document may mean, in the order in which it names them.
 *
 * It is not parsed: every word and every value of a line that is such a path counts. One too many does no harm; the
 * server says if one is missing.
 */
export function mentioned({ path, text }: Document, known: ReadonlySet<string>): string[] {
  const found = new Set<string>();
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const folders = foldersOf(known);
  const look = (word: string, isPlace: boolean) => {
    for (const spelled of new Set([word, word.replace(/#.*$/, ""), decoded(word.replace(/#.*$/, ""))])) {
      const meant = resolved(folder + spelled);
      if (meant === undefined || meant === path) {
        continue;
      }
      if (known.has(meant)) {
        found.add(meant);
      }
      for (const inside of isPlace ? (folders.get(meant) ?? []) : []) {
        found.add(inside);
      }
    }
  };
  for (const line of (text ?? "").split("\n")) {
    for (const word of line.split(/[\s"'[\]{},]+/)) {
      look(word.replace(/^.*?:(?=[^:]*$)/, ""), false);
      look(word, false);
    }
    const value = /^[\s-]*(?:["']?[\w$]+["']?\s*:\s*)?["']?(.*?)["']?\s*,?\s*$/.exec(line)?.[1] ?? "";
    look(value, /(?:location|path)["']?\s*:/.test(line));
  }
  found.delete("");
  return [...found];
}

/** Return the paths of the files in each folder, at any depth. */
function foldersOf(paths: Iterable<string>): Map<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const path of paths) {
    for (let end = path.indexOf("/"); end > 0; end = path.indexOf("/", end + 1)) {
      const folder = path.slice(0, end);
      folders.set(folder, [...(folders.get(folder) ?? []), path]);
    }
  }
  return folders;
}

function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

/** Return a path without `.` and `..`; none if it leads out of what was chosen. */
function resolved(path: string): string | undefined {
  const parts: string[] = [];
  for (const part of path.normalize("NFC").split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) {
        return undefined;
      }
    } else if (part !== "" && part !== ".") {
      parts.push(part);
    }
  }
  return parts.join("/");
}

/** Return the entry and all that it leads to; reads nothing else of what was chosen. */
export async function closure(
  entry: string,
  known: ReadonlySet<string>,
  read: (path: string) => Promise<Document>,
): Promise<string[]> {
  const members = new Set([entry]);
  // The set grows while it is walked.
  for (const path of members) {
    if (path === entry || /\.(cwl|ya?ml|json)$/i.test(path)) {
      for (const each of mentioned(await read(path), known)) {
        members.add(each);
      }
    }
  }
  return [...members];
}

/** Return with which file a workflow probably begins: one that no other names, by the usual names first. */
export async function likelyEntry(
  paths: readonly string[],
  read: (path: string) => Promise<Document>,
): Promise<string | undefined> {
  const documents = paths.filter((path) => /\.cwl$/i.test(path));
  const known = new Set(documents);
  const led = new Set<string>();
  for (const path of documents.length > 1 ? documents : []) {
    for (const each of mentioned(await read(path), known)) {
      led.add(each);
    }
  }
  const rank = (path: string) => [
    led.has(path) ? 1 : 0,
    path.split("/").length,
    /^(main|workflow)\.cwl$/.test(path.replace(/^.*\//, "")) ? 0 : 1,
  ];
  return [...documents].sort((a, b) => compared(rank(a), rank(b)) || (a < b ? -1 : 1))[0];
}

function compared(a: readonly number[], b: readonly number[]): number {
  return a.reduce((order, each, index) => order || each - (b[index] ?? 0), 0);
}

/** Return the manifest of files, with their contents. */
export async function manifestOf(
  entry: string,
  fragment: string | null,
  documents: readonly Document[],
): Promise<Manifest> {
  const size = documents.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (size > TOGETHER_MAX) {
    throw new PackFault(
      `The files of the workflow have ${formatBytes(size)} in total; the limit is ${formatBytes(TOGETHER_MAX)}. Leave out files that it does not need.`,
    );
  }
  const files: Manifest["files"] = {};
  for (const { path, bytes } of documents) {
    files[path] = { sha256: await sha256(bytes), size: bytes.length, content: base64(bytes) };
  }
  return { v: 1, entry, fragment, files };
}

/** Return the id of a bundle: the sha256 of its manifest in canonical JSON, without contents. */
export async function bundleId({ v, entry, fragment, files }: Manifest): Promise<string> {
  const plain = Object.fromEntries(
    Object.entries(files).map(([path, file]) => [path, { sha256: file.sha256, size: file.size }]),
  );
  return sha256(new TextEncoder().encode(canonical({ v, entry, fragment, files: plain })));
}

/** Write JSON with sorted keys and without blanks; keys are sorted by code points, as everywhere but in JavaScript. */
export function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) {
    return JSON.stringify(value);
  }
  const entries = Object.entries(value).sort(([a], [b]) => byCodePoints(a, b));
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(",")}}`;
}

function byCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (const [index, character] of left.entries()) {
    const other = right[index];
    if (other === undefined) {
      return 1;
    }
    if (character !== other) {
      return (character.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0);
    }
  }
  return left.length - right.length;
}

const PIECE = 0x8000;

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  }
  return btoa(text);
}
