/** The files that somebody has chosen for a job: which may be, how large they are together, and their archive. */

import { formatBytes, formatNumber } from "@/kit/formats";
import { Store } from "@/kit/store";
import { type Bytes, PackFault, pack, packedSize, type Sized, type Source } from "./archive";

export type Packed = { content: Bytes; checksum: string };

export const FILES_MAX = 1_000;
const NAME_BYTES_MAX = 255;

/** Kept outside of the page, so that a look at another page loses none. */
export const chosenFiles = new Store<readonly File[]>([]);

/** Return the files with those of the new ones that may be added, and in words why the others may not. */
export function added<T extends Sized>(
  chosen: readonly T[],
  files: readonly T[],
): { files: T[]; refused: string[] } {
  const found = new Map(chosen.map((file) => [file.name, file]));
  const refused: string[] = [];
  for (const file of files) {
    const problem = problemOf(file.name, found);
    if (problem) {
      refused.push(problem);
    } else {
      found.set(file.name, file);
    }
  }
  return { files: [...found.values()], refused };
}

function problemOf(name: string, found: ReadonlyMap<string, unknown>): string | undefined {
  // Marks of control would end the name, or write over what is shown of it.
  const isBad = /[/\\\p{Cc}\p{Cs}]/u.test(name) || ["", ".", ".."].includes(name);
  if (isBad || new TextEncoder().encode(name).length > NAME_BYTES_MAX) {
    return `“${name}” is not a valid file name: no slashes, backslashes or control characters, and at most ${NAME_BYTES_MAX} bytes. Rename the file.`;
  }
  if (found.has(name)) {
    return `A file named “${name}” is already chosen. Remove it first, or rename one of them.`;
  }
  if (found.size >= FILES_MAX) {
    return `At most ${formatNumber(FILES_MAX)} files: “${name}” was not added. Pack the files into one archive that the job unpacks.`;
  }
  return undefined;
}

/** Say that files are too large together, before any of them is read. */
export function tooLarge(files: readonly Sized[], bytesMax: number): string | undefined {
  const size = packedSize(files);
  return size > bytesMax
    ? `The files have ${formatBytes(size)} in total; the limit is ${formatBytes(bytesMax)} (${formatNumber(bytesMax)} bytes). Put large files on a storage element and name them in InputData.`
    : undefined;
}

/** Return the SHA-256 of bytes in hexadecimal digits. */
export async function sha256(content: Bytes): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new PackFault(
      "Browsers compute checksums on HTTPS pages only, and this page uses HTTP: tell your administrators, or use weyl jobs submit.",
    );
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Read files and return their archive with its SHA-256. */
export async function packed(files: readonly Source[]): Promise<Packed> {
  try {
    const content = await pack(files);
    return { content, checksum: await sha256(content) };
  } catch (error) {
    if (error instanceof RangeError) {
      throw new PackFault(
        "Files of this size do not fit into the memory of your browser. Use weyl jobs submit for them.",
      );
    }
    throw error;
  }
}

/** Return the files that were dropped, and the names of folders, which cannot be read as files. */
export function dropped(data: DataTransfer): { files: File[]; folders: string[] } {
  const files: File[] = [];
  const folders: string[] = [];
  for (const item of data.items) {
    const file = item.getAsFile();
    if (item.webkitGetAsEntry?.()?.isDirectory) {
      folders.push(file?.name ?? "This");
    } else if (file) {
      files.push(file);
    }
  }
  return { files, folders };
}

/** Say what to do with a folder. */
export function folderText(name: string): string {
  return `“${name}” is a folder. Choose the files in it, or name it in InputSandbox and use weyl jobs submit.`;
}
