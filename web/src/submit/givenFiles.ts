/** Files and folders of this machine that are given as inputs of a workflow, and the archive that brings them. */

import type { FileRules } from "@/kit/forms";
import { Store } from "@/kit/store";
import { isMapping } from "@/kit/templates";
import type { Schema } from "@/kit/views";
import type { Source } from "./archive";
import type { Chosen } from "./choosing";

/** What stands in a form for a File or Directory: here on this machine, stored somewhere, or a text. */
export type GivenFile =
  | { from: "here"; key: string; name: string }
  | { from: "there"; location: string }
  | { from: "text"; name: string; contents: string };

/** What a key stands for: a file and those beside it, or all files of a folder. */
export type Given = { kind: "file" | "folder"; name: string; files: readonly Chosen[] };

/** Kept outside of the page, so that a look at another page loses none. */
export const givenFiles = new Store<ReadonlyMap<string, Given>>(new Map());

const LITERAL_MAX = 64 * 1024;
let count = 0;

/** Keep files under a key of their own. */
export function keep(given: Given): GivenFile {
  count += 1;
  const key = `${given.name} ${count} ${Date.now()}`;
  givenFiles.set(new Map(givenFiles.get()).set(key, given));
  return { from: "here", key, name: given.name };
}

export function isGiven(value: unknown): value is GivenFile {
  return isMapping(value) && typeof value.from === "string";
}

/** Return the keys of all files in what was typed into a form. */
export function keysIn(value: unknown): string[] {
  if (isGiven(value)) {
    return value.from === "here" ? [value.key] : [];
  }
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(keysIn) : [];
}

/** The members of an archive: for each key a folder, so that equal names do no harm. */
export function sourcesOf(keys: readonly string[], given: ReadonlyMap<string, Given>): Source[] {
  return keys.flatMap((key, number) => {
    const one = given.get(key);
    const folder = one?.kind === "folder" ? `${one.name}/` : "";
    return (one?.files ?? []).map(({ path, file }) => ({
      name: `${number}/${folder}${path}`,
      size: file.size,
      arrayBuffer: () => file.arrayBuffer(),
    }));
  });
}

type Sending = {
  keys: readonly string[];
  given: ReadonlyMap<string, Given> /** The name of the sandbox. */;
  pfn?: string;
};

/** Return how the values of a form become CWL's objects; as long as there is no sandbox, files are empty. */
export function fileRules({ keys, given, pfn }: Sending): FileRules {
  return {
    sent: (schema, value) => sentFile(schema, value, { keys, given, pfn }),
    problemOf: (schema, value) => problemOf(schema, value, given),
  };
}

function sentFile(schema: Schema, value: unknown, { keys, given, pfn }: Sending): unknown {
  if (!isGiven(value)) {
    return undefined;
  }
  const own = schema.properties?.class?.const;
  if (value.from === "there") {
    return { class: own, location: value.location.trim() };
  }
  if (value.from === "text") {
    return { class: own, basename: value.name, contents: value.contents };
  }
  const one = given.get(value.key);
  if (one?.kind === "folder") {
    return placed({ class: own, basename: one.name }, pfn, `${keys.indexOf(value.key)}/${one.name}`);
  }
  const [primary, ...beside] = (one?.files ?? []).map(({ path }) =>
    placed({ class: "File", basename: path }, pfn, `${keys.indexOf(value.key)}/${path}`),
  );
  return beside.length > 0 ? { ...primary, secondaryFiles: beside } : primary;
}

function placed(object: { class: unknown; basename: string }, pfn: string | undefined, member: string) {
  const isFolder = object.class === "Directory";
  if (pfn === undefined) {
    return { ...object, ...(isFolder ? { listing: [] } : { contents: "" }) };
  }
  const path = member.split("/").map(encodeURIComponent).join("/");
  return {
    class: object.class,
    location: `sandbox:${pfn.slice(pfn.indexOf("/S3/"))}#${path}${isFolder ? "/" : ""}`,
  };
}

function problemOf(schema: Schema, value: unknown, given: ReadonlyMap<string, Given>): string | undefined {
  if (!isGiven(value)) {
    return "Choose a file.";
  }
  if (value.from === "there") {
    return value.location.trim() === "" ? "Write where it is." : undefined;
  }
  if (value.from === "text") {
    const isLong = new TextEncoder().encode(value.contents).length > LITERAL_MAX;
    return isLong ? "A text may have 64 KiB: choose a file instead." : undefined;
  }
  const one = given.get(value.key);
  if (!one) {
    return `The page was reloaded. Choose “${value.name}” again.`;
  }
  const missing = missingBeside(
    schema,
    one.files.map(({ path }) => path),
  );
  return missing.length > 0 ? `Choose these files together with it: ${missing.join(", ")}.` : undefined;
}

/** Return which files must lie beside a file and were not chosen with it. */
export function missingBeside(schema: Schema, names: readonly string[]): string[] {
  const [primary = ""] = names;
  return (schema["x-cwl-secondaryFiles"] ?? []).flatMap(({ pattern, required }) => {
    const name = besideOf(primary, pattern);
    return required === false || name === undefined || names.includes(name) ? [] : [name];
  });
}

/** Return the name of a secondary file; none where an expression makes it, which only the node evaluates. */
export function besideOf(primary: string, pattern: string): string | undefined {
  if (pattern.includes("$(") || pattern.includes("${")) {
    return undefined;
  }
  let name = primary;
  let suffix = pattern.replace(/\?$/, "");
  for (; suffix.startsWith("^"); suffix = suffix.slice(1)) {
    const dot = name.lastIndexOf(".");
    name = dot > 0 ? name.slice(0, dot) : name;
  }
  return name + suffix;
}

/** Return chosen files with the one first that the others lie beside. */
export function withPrimaryFirst(schema: Schema, files: readonly Chosen[]): Chosen[] {
  const missing = (file: Chosen) => {
    const names = [file.path, ...files.filter((each) => each !== file).map(({ path }) => path)];
    return missingBeside(schema, names).length;
  };
  const beside = (file: Chosen) =>
    (schema["x-cwl-secondaryFiles"] ?? []).filter(({ pattern }) =>
      files.some(({ path }) => path === besideOf(file.path, pattern)),
    ).length;
  return [...files].sort(
    (a, b) => missing(a) - missing(b) || beside(b) - beside(a) || a.path.length - b.path.length,
  );
}
