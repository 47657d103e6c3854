/** Named values, as CWL has them: what of them is a file, and where it can be had; everything else is shown as it is. */

import { isMapping } from "@/kit/templates";

export type FileValue = {
  /** The name of the value, with its place in lists and records: `tables[2]`. */
  name: string;
  basename: string;
  /** The basename, behind the folders that it is in. */
  path: string;
  size?: number;
  checksum?: string;
  /** A file of these words, which lies nowhere. */
  contents?: string;
  archive?: string;
  /** Which file of the archive it is; none: the file is no member of an archive that can be had. */
  member?: string;
  /** Where else it lies. */
  location?: string;
};
export type PlainValue = { name: string; text: string };

export function valuesIn(object: Record<string, unknown>): { files: FileValue[]; plain: PlainValue[] } {
  const files: FileValue[] = [];
  const plain: PlainValue[] = [];
  const walk = (name: string, value: unknown, folder = "") => {
    if (isFile(value)) {
      files.push(fileOf(name, folder, value));
      const others = Array.isArray(value.secondaryFiles) ? value.secondaryFiles : [];
      for (const other of others) {
        walk(name, other, folder);
      }
    } else if (isMapping(value) && value.class === "Directory") {
      const inside = `${folder}${String(value.basename ?? "")}/`;
      const listing = Array.isArray(value.listing) ? value.listing : undefined;
      if (!listing || listing.length === 0) {
        plain.push({ name, text: `${inside}, ${listing ? "an empty folder" : "a folder"}` });
      }
      for (const each of listing ?? []) {
        walk(name, each, inside);
      }
    } else if (hasFiles(value)) {
      for (const [key, each] of Object.entries(value)) {
        walk(Array.isArray(value) ? `${name}[${Number(key) + 1}]` : `${name}.${key}`, each);
      }
    } else {
      plain.push({ name, text: typeof value === "string" ? value : JSON.stringify(value) });
    }
  };
  for (const [name, value] of Object.entries(object)) {
    walk(name, value);
  }
  return { files, plain };
}

function isFile(value: unknown): value is Record<string, unknown> {
  return isMapping(value) && value.class === "File";
}

function hasFiles(value: unknown): value is Record<string, unknown> | unknown[] {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  return Object.values(value).some(
    (each) => isFile(each) || (isMapping(each) && each.class === "Directory") || hasFiles(each),
  );
}

function fileOf(name: string, folder: string, file: Record<string, unknown>): FileValue {
  const location = textOf(file.location ?? file.path);
  const { archive, member } = memberIn(location);
  const basename = textOf(file.basename) || (member ?? location).replace(/^.*\//, "") || "file.txt";
  return {
    name,
    basename,
    path: folder + basename,
    size: typeof file.size === "number" ? file.size : undefined,
    checksum: textOf(file.checksum) || undefined,
    contents: typeof file.contents === "string" ? file.contents : undefined,
    archive,
    member,
    location: location || undefined,
  };
}

/** Read `sandbox:/S3/…#outputs/a.txt`, and `SB:…|/S3/…#…`, which means the same. */
function memberIn(location: string): { archive?: string; member?: string } {
  const found = /^(?:sandbox:|(?=SB:))([^#]+)#(.+)$/i.exec(location);
  return found ? { archive: found[1], member: decoded(found[2] ?? "") } : {};
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
