import { describe, expect, it } from "vitest";
import { type Bytes, pack, packedSize } from "./archive";

const text = new TextEncoder();

function file(name: string, content: string | Bytes) {
  const bytes = typeof content === "string" ? text.encode(content) : content;
  return { name, size: bytes.length, arrayBuffer: async () => bytes.slice().buffer };
}

/** Return what the blocks of a frame hold. */
function unframed(frame: Bytes): Bytes {
  const view = new DataView(frame.buffer);
  expect(view.getUint32(0, true)).toBe(0xfd2fb528);
  const content = new Uint8Array(Number(view.getBigUint64(6, true)));
  let at = 14;
  let filled = 0;
  for (let isLast = false; !isLast; ) {
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const size = head >> 3;
    expect((head >> 1) & 3).toBe(0);
    expect(size).toBeLessThanOrEqual(128 * 1024);
    content.set(frame.subarray(at + 3, at + 3 + size), filled);
    isLast = (head & 1) === 1;
    at += 3 + size;
    filled += size;
  }
  expect([at, filled]).toEqual([frame.length, content.length]);
  return content;
}

function field(content: Bytes, at: number, length: number): string {
  return new TextDecoder().decode(content.subarray(at, at + length)).replace(/\0.*$/s, "");
}

describe("archives", () => {
  it("are as large as is said before they are made, and the same in whatever order the files come", async () => {
    const files = [
      file("b.txt", "second"),
      file("a.bin", new Uint8Array(300_000).fill(7)),
      file("empty", ""),
      file("exact", new Uint8Array(512)),
      file("größe.txt", "x"),
      file("n".repeat(120), "y"),
    ];
    const archive = await pack(files);
    expect(archive.length).toBe(packedSize(files));
    expect(Buffer.compare(await pack([...files].reverse()), archive)).toBe(0);
  });

  it("hold each file behind a header with its name, size and checksum", async () => {
    const content = unframed(await pack([file("b", "#!/bin/sh\n"), file("a", "hello")]));
    expect([field(content, 0, 100), field(content, 100, 8), field(content, 124, 12)]).toEqual([
      "a",
      "0000644",
      "00000000005",
    ]);
    expect([field(content, 257, 6), field(content, 512, 5)]).toEqual(["ustar", "hello"]);
    const header = content.slice(0, 512);
    header.fill(32, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    expect(Number.parseInt(field(content, 148, 6), 8)).toBe(sum);
    // A script may be run.
    expect([field(content, 1024, 100), field(content, 1124, 8)]).toEqual(["b", "0000755"]);
    expect(content.length).toBe(4 * 512 + 1024);
  });

  it("keep names that no header has room for", async () => {
    for (const name of ["ü", "x".repeat(101), "é".repeat(90), "y".repeat(255)]) {
      const content = unframed(await pack([file(name, "z")]));
      expect(field(content, 156, 1)).toBe("x");
      const line = field(content, 512, Number.parseInt(field(content, 124, 11), 8));
      expect(line).toMatch(new RegExp(`^\\d+ path=${name}\n$`));
      expect(text.encode(line).length).toBe(Number.parseInt(line, 10));
    }
  });

  it("are not made of what has changed or cannot be read", async () => {
    const changed = { ...file("a.txt", "four"), size: 5 };
    await expect(pack([changed])).rejects.toThrow("“a.txt” has changed");
    const gone = {
      ...file("a.txt", "four"),
      arrayBuffer: () => Promise.reject(new Error("NotReadableError")),
    };
    await expect(pack([gone])).rejects.toThrow("“a.txt” can no longer be read");
  });
});
