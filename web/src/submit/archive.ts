/** Packs files as sandboxes are packed: a tar archive in a Zstandard frame, whose blocks hold it as it is. */

export type Sized = { name: string; size: number };
export type Source = Sized & { arrayBuffer: () => Promise<ArrayBuffer> };
export type Bytes = Uint8Array<ArrayBuffer>;

/** Why files cannot be packed, in words. */
export class PackFault extends Error {}

const RECORD = 512;
const END = 2 * RECORD;
const NAME_MAX = 100;
const FRAME_HEADER = 14;
const BLOCK_HEADER = 3;
const BLOCK_MAX = 128 * 1024;
const [FILE, ATTRIBUTES] = ["0", "x"];
const text = new TextEncoder();

/** Return the size of the archive of files, which need not be read for that. */
export function packedSize(files: readonly Sized[]): number {
  const plain = plainSize(files);
  return FRAME_HEADER + Math.ceil(plain / BLOCK_MAX) * BLOCK_HEADER + plain;
}

/** Read files and return their archive: the same files give the same bytes, in whatever order they come. */
export async function pack(files: readonly Source[]): Promise<Bytes> {
  const frame = new Frame(plainSize(files));
  for (const file of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const content = await read(file);
    const attributes = attributesOf(file.name);
    if (attributes) {
      frame.write(header("././@PaxHeader", attributes.length, ATTRIBUTES));
      frame.writeRecords(attributes);
    }
    frame.write(header(file.name, content.length, FILE, isProgram(content)));
    frame.writeRecords(content);
  }
  frame.write(new Uint8Array(END));
  return frame.bytes;
}

async function read(file: Source): Promise<Bytes> {
  let content: Bytes;
  try {
    content = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new PackFault(
      `“${file.name}” can no longer be read: it was changed, moved or removed. Remove it here and choose it again.`,
    );
  }
  if (content.length !== file.size) {
    throw new PackFault(`“${file.name}” has changed. Remove it here and choose it again.`);
  }
  return content;
}

function plainSize(files: readonly Sized[]): number {
  return files.reduce((sum, { name, size }) => {
    const attributes = attributesOf(name)?.length;
    return sum + (attributes ? RECORD + whole(attributes) : 0) + RECORD + whole(size);
  }, END);
}

/** Round up to whole records. */
function whole(size: number): number {
  return Math.ceil(size / RECORD) * RECORD;
}

/** Return a name as an attribute, where a header has no room for it. */
function attributesOf(name: string): Bytes | undefined {
  const size = text.encode(name).length;
  if (size <= NAME_MAX && size === name.length) {
    return undefined;
  }
  // The length of the line counts its own digits.
  const rest = size + " path=\n".length;
  const length = [1, 2, 3, 4]
    .map((digits) => rest + digits)
    .find((each) => String(each).length === each - rest);
  return text.encode(`${length} path=${name}\n`);
}

/** Browsers do not say whether a file may be run; programs and scripts are known by how they begin. */
function isProgram(content: Bytes): boolean {
  const [first, second, third, fourth] = content;
  const isScript = first === 0x23 && second === 0x21;
  return isScript || (first === 0x7f && second === 0x45 && third === 0x4c && fourth === 0x46);
}

/** Return the record before the content of a file; owner and time are left out, they are not part of the content. */
function header(name: string, size: number, kind = FILE, mayRun = false): Bytes {
  const record = new Uint8Array(RECORD);
  const put = (at: number, value: string) => record.set(text.encode(value), at);
  put(0, name.replaceAll(/[^ -~]/gu, "_").slice(0, NAME_MAX));
  put(100, mayRun ? "0000755" : "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, size.toString(8).padStart(11, "0"));
  put(136, "00000000000");
  put(148, " ".repeat(8));
  put(156, kind);
  put(257, "ustar\u000000");
  const sum = record.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\u0000`);
  return record;
}

/** A Zstandard frame of blocks that are not compressed: any program that reads the format reads it. */
class Frame {
  readonly bytes: Bytes;
  private at = FRAME_HEADER;
  private inBlock = 0;

  constructor(private left: number) {
    this.bytes = new Uint8Array(FRAME_HEADER + Math.ceil(left / BLOCK_MAX) * BLOCK_HEADER + left);
    // The magic number; the size of the content has eight bytes; a window of one block.
    this.bytes.set([0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x38]);
    new DataView(this.bytes.buffer).setBigUint64(6, BigInt(left), true);
  }

  write(content: Bytes): void {
    for (let from = 0; from < content.length; ) {
      if (this.inBlock === 0) {
        this.begin();
      }
      const piece = content.subarray(from, from + this.inBlock);
      this.bytes.set(piece, this.at);
      this.at += piece.length;
      this.inBlock -= piece.length;
      from += piece.length;
    }
  }

  /** Write content and fill its last record. */
  writeRecords(content: Bytes): void {
    this.write(content);
    this.write(new Uint8Array(whole(content.length) - content.length));
  }

  private begin(): void {
    this.inBlock = Math.min(this.left, BLOCK_MAX);
    this.left -= this.inBlock;
    const head = (this.inBlock << 3) | (this.left === 0 ? 1 : 0);
    this.bytes.set([head & 0xff, (head >> 8) & 0xff, head >> 16], this.at);
    this.at += BLOCK_HEADER;
  }
}
