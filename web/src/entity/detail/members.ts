/** Takes one file out of a packed sandbox, as far as it must be unpacked for that. */

import { formatBytes } from "@/kit/formats";
import { Bzip2Fault, unpacked } from "./bzip2";

export class MemberFault extends Error {}

/** The archive can be read, and has no such file. */
export class NoMember extends MemberFault {}

/** Told how much of the file has been unpacked, and how large it is. */
export type OnProgress = (bytes: number, size: number) => void;

const RECORD = 512;
/** Larger files are for programs; a few bytes can claim to be a terabyte. */
export const MEMBER_MAX = 1024 ** 3;
const NAME_MAX = 1024 * 1024;
/** What is unpacked is handed to the browser in pieces of this size, which need not keep them in memory. */
const PIECE = 16 * 1024 * 1024;
/** Links lead to links; more than these are a circle. */
const LINKS_MAX = 8;

/** Return the content of a member of a tar archive that bzip2 has packed; lets the page live meanwhile. */
export async function memberOf(packed: Uint8Array, name: string, onProgress?: OnProgress): Promise<Blob> {
  let wanted = plainName(name);
  for (let links = 0; links <= LINKS_MAX; links += 1) {
    const found = await find(packed, wanted, onProgress);
    if (found === undefined) {
      throw new NoMember(`The sandbox has no file named “${wanted}”.`);
    }
    if (typeof found !== "string") {
      return found;
    }
    wanted = found;
  }
  throw new MemberFault(`“${name}” is a link that leads to itself.`);
}

async function find(
  packed: Uint8Array,
  wanted: string,
  onProgress?: OnProgress,
): Promise<Blob | string | undefined> {
  const reader = new Reader(packed);
  let longName: string | undefined;
  for (;;) {
    const record = await reader.take(RECORD);
    if (!record || record.every((byte) => byte === 0)) {
      return undefined;
    }
    const { name, size, kind, link } = header(record);
    const isAttributes = kind === "x" || kind === "L";
    const own = longName ?? name;
    const isIt = !isAttributes && plainName(own) === wanted;
    if (isIt && (kind === "1" || kind === "2")) {
      return kind === "1" ? plainName(link) : plainName(`${folderOf(own)}${link}`);
    }
    if (isIt && (kind === "0" || kind === "\u0000")) {
      return reader.file(size, onProgress);
    }
    if (isAttributes && size > NAME_MAX) {
      throw new MemberFault("The sandbox cannot be unpacked. The name of a file in it is too long.");
    }
    const content = isAttributes ? await reader.take(size) : await reader.skip(size);
    await reader.skip((RECORD - (size % RECORD)) % RECORD);
    longName = content ? nameIn(kind, content) : undefined;
  }
}

/** What is unpacked, in pieces of any size. */
class Reader {
  private readonly blocks: Generator<Uint8Array>;
  private held: Uint8Array = new Uint8Array();

  constructor(packed: Uint8Array) {
    this.blocks = unpacked(packed);
  }

  /** Return so many bytes; nothing where there are no more. */
  async take(size: number): Promise<Uint8Array | undefined> {
    const taken = new Uint8Array(size);
    let at = 0;
    for await (const piece of this.pieces(size)) {
      taken.set(piece, at);
      at += piece.length;
    }
    return at === size ? taken : undefined;
  }

  async skip(size: number): Promise<undefined> {
    for await (const _ of this.pieces(size)) {
      // What is skipped has to be unpacked all the same.
    }
  }

  /** Return the content of a file; throws a MemberFault if the archive ends before it does. */
  async file(size: number, onProgress?: OnProgress): Promise<Blob> {
    if (size > MEMBER_MAX) {
      throw new MemberFault(`The file is too large to open here: it has ${formatBytes(size)}.`);
    }
    const parts: Blob[] = [];
    let held: Uint8Array<ArrayBuffer>[] = [];
    let done = 0;
    let kept = 0;
    for await (const piece of this.pieces(size)) {
      held.push(piece.slice());
      done += piece.length;
      if (done - kept >= PIECE) {
        parts.push(new Blob(held));
        held = [];
        kept = done;
      }
      onProgress?.(done, size);
    }
    if (done < size) {
      throw new MemberFault("The sandbox cannot be unpacked. It ends too early.");
    }
    return new Blob([...parts, ...held]);
  }

  /** Yield so many bytes as they come; fewer where there are no more. */
  private async *pieces(size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < size; ) {
      if (this.held.length === 0) {
        await pause();
        const next = this.next();
        if (!next) {
          return;
        }
        this.held = next;
      }
      const piece = this.held.subarray(0, size - at);
      this.held = this.held.subarray(piece.length);
      at += piece.length;
      yield piece;
    }
  }

  private next(): Uint8Array | undefined {
    try {
      const { value, done } = this.blocks.next();
      return done ? undefined : value;
    } catch (error) {
      throw error instanceof Bzip2Fault
        ? new MemberFault(`The sandbox cannot be unpacked. ${error.message}`)
        : error;
    }
  }
}

/** Let the browser draw and hear: a block takes a tenth of a second. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

const utf8 = new TextDecoder();

function textIn(record: Uint8Array, from: number, size: number): string {
  const field = record.subarray(from, from + size);
  const end = field.indexOf(0);
  return utf8.decode(end < 0 ? field : field.subarray(0, end));
}

function header(record: Uint8Array) {
  const prefix = textIn(record, 257, 5) === "ustar" ? textIn(record, 345, 155) : "";
  const name = textIn(record, 0, 100);
  const size = Number.parseInt(textIn(record, 124, 12).trim() || "0", 8);
  if (!(size >= 0)) {
    throw new MemberFault("The sandbox cannot be unpacked. A file in it has no size.");
  }
  return {
    name: prefix ? `${prefix}/${name}` : name,
    size,
    kind: textIn(record, 156, 1) || "0",
    link: textIn(record, 157, 100),
  };
}

/** Return the name of the next member, where its header has no room for it. */
function nameIn(kind: string, content: Uint8Array): string | undefined {
  if (kind === "L") {
    return textIn(content, 0, content.length);
  }
  // Each line is its own length in bytes, a blank, and a name with its value.
  for (let at = 0; at < content.length; ) {
    const length = Number.parseInt(textIn(content, at, 12), 10);
    const line = length > 0 ? utf8.decode(content.subarray(at, at + length)) : "";
    const value = /^\d+ path=(.*)\n$/s.exec(line)?.[1];
    if (value !== undefined || line === "") {
      return value;
    }
    at += length;
  }
  return undefined;
}

function folderOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/") + 1);
}

/** Return a name without what changes nothing: `./a//b/../c` is `a/c`. */
function plainName(name: string): string {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "..") {
      parts.pop();
    } else if (part !== "" && part !== ".") {
      parts.push(part);
    }
  }
  return parts.join("/");
}
