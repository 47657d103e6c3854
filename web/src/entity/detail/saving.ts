/** Saves one file: the browser fetches the sandbox that holds it from the store, and takes the file out of it. */

import { askCall, type Row, reachStore } from "@/kit/api";
import { formatBytes } from "@/kit/formats";
import { addressIn, follow } from "@/kit/opening";
import type { Tab } from "@/kit/views";
import type { FileValue } from "./values";

const PACKED_MAX = 64 * 1000 * 1000;

class SaveFault extends Error {}

export async function saveFile(tab: Tab, row: Row, file: FileValue): Promise<void> {
  if (file.contents !== undefined) {
    return saveAs(file.basename, new Blob([file.contents]));
  }
  const address = await addressOf(tab, row, file.archive ?? "");
  if (!file.archive?.endsWith(".tar.bz2") || !file.member) {
    return follow(address);
  }
  const packed = await fetchArchive(address, file.archive);
  // Of use to those only who save a file.
  const { memberOf } = await import("./members");
  const content = await memberOf(packed, file.member);
  if (file.checksum?.startsWith("sha1$")) {
    const bytes = await content.arrayBuffer();
    await expectDigest("SHA-1", bytes, file.checksum.slice(5), "The file that came out of the sandbox");
  }
  saveAs(file.basename, content);
}

/** Ask where a stored file can be fetched. */
export async function addressOf(tab: Tab, row: Row, name: string): Promise<string> {
  return addressIn(tab.file ? await askCall(tab.file, { ...row, $file: name }) : undefined);
}

/** Fetch a packed sandbox whole, and compare it with the checksum in its name. */
export async function fetchArchive(address: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await reachStore(address);
  const size = Number(answer.headers.get("Content-Length"));
  if (size > PACKED_MAX) {
    await answer.body?.cancel();
    throw new SaveFault(
      `The sandbox (${formatBytes(size)}) is too large to open here. Download it from the tab Sandboxes.`,
    );
  }
  const packed = new Uint8Array(await answer.arrayBuffer());
  // A copy that was packed anew has another checksum than its name.
  const promised = /sha256:([0-9a-f]{64})\.tar\.bz2$/.exec(name)?.[1];
  if (promised) {
    await expectDigest("SHA-256", packed, promised, "The sandbox that arrived");
  }
  return packed;
}

/** Compare a checksum; browsers compute none for pages that came without TLS. */
async function expectDigest(
  algorithm: string,
  content: BufferSource,
  promised: string,
  what: string,
): Promise<void> {
  if (!globalThis.crypto?.subtle) {
    return;
  }
  const digest = new Uint8Array(await crypto.subtle.digest(algorithm, content));
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== promised) {
    throw new SaveFault(`${what} is damaged: its checksum does not match. Try again.`);
  }
}

/** Let the browser keep a file. */
export function saveAs(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
