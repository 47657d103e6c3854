/** The files of a workflow that were chosen: read as far as they belong to it, and changed here where somebody edits. */

import { Store } from "@/kit/store";
import { PackFault } from "./archive";
import { closure, type Document, likelyEntry, readDocument, textDocument } from "./bundles";
import type { Chosen } from "./choosing";

export type Bundle = {
  /** All that were chosen, by their paths. */
  files: ReadonlyMap<string, File>;
  /** Those that were read, as they are here. */
  documents: ReadonlyMap<string, Document>;
  entry: string;
  /** Those that belong to the workflow. */
  members: readonly string[];
  /** What somebody has said about single files. */
  byHand: ReadonlyMap<string, boolean>;
  changed: ReadonlySet<string>;
};

/** Kept outside of the page, so that a look at another page loses none. */
export const bundle = new Store<Bundle | undefined>(undefined);

/** Take files as a workflow; throws in words if they are none. */
export async function opened(chosen: readonly Chosen[]): Promise<Bundle> {
  const files = new Map(chosen.map(({ path, file }) => [path, file]));
  const documents = new Map<string, Document>();
  const entry = await likelyEntry([...files.keys()], reader(files, documents));
  if (!entry) {
    throw new PackFault(
      "None of these files ends in .cwl. Choose the folder of your workflow, or the file that it begins with.",
    );
  }
  return settled({ files, documents, entry, members: [], byHand: new Map(), changed: new Set() });
}

export function withEntry(before: Bundle, entry: string): Promise<Bundle> {
  return settled({ ...before, entry });
}

export function withMember(before: Bundle, path: string, isMember: boolean): Promise<Bundle> {
  return settled({ ...before, byHand: new Map(before.byHand).set(path, isMember) });
}

export function withText(before: Bundle, path: string, text: string): Promise<Bundle> {
  return settled({
    ...before,
    documents: new Map(before.documents).set(path, textDocument(path, text)),
    changed: new Set(before.changed).add(path),
  });
}

/** Return the documents that belong to a workflow. */
export function documentsOf({ members, documents }: Bundle): Document[] {
  return members.flatMap((path) => documents.get(path) ?? []);
}

/** Find out anew what belongs to the workflow. */
async function settled(before: Bundle): Promise<Bundle> {
  const documents = new Map(before.documents);
  const read = reader(before.files, documents);
  const found = await closure(before.entry, new Set(before.files.keys()), read);
  const wanted = new Set([
    ...found,
    ...[...before.byHand].flatMap(([path, isWanted]) => (isWanted ? [path] : [])),
  ]);
  const members = [...wanted]
    .filter((path) => path === before.entry || before.byHand.get(path) !== false)
    .sort();
  for (const path of members) {
    await read(path);
  }
  return { ...before, documents, members };
}

function reader(files: ReadonlyMap<string, File>, documents: Map<string, Document>) {
  return async (path: string): Promise<Document> => {
    const known = documents.get(path);
    const file = files.get(path);
    if (known || !file) {
      return known ?? textDocument(path, "");
    }
    const document = await readDocument({ path, file });
    documents.set(path, document);
    return document;
  };
}
