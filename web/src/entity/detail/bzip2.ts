/** Reads bzip2, in which pilots pack sandboxes: no browser does, and it is short. */

const BLOCK = 0x314159265359;
const END = 0x177245385090;
const GROUP = 50;
const LENGTH_MAX = 20;

export class Bzip2Fault extends Error {}

/** Yield what is packed, block by block, 900 kB at most; whoever has enough stops asking. */
export function* unpacked(packed: Uint8Array): Generator<Uint8Array> {
  const bits = new Bits(packed);
  while (!bits.isAtEnd()) {
    if (bits.read(24) !== 0x425a68) {
      throw new Bzip2Fault("This is not bzip2.");
    }
    const size = (bits.read(8) - 0x30) * 100_000;
    if (!(size >= 100_000 && size <= 900_000)) {
      throw new Bzip2Fault("The blocks have no size that bzip2 knows.");
    }
    for (let magic = bits.read48(); magic !== END; magic = bits.read48()) {
      if (magic !== BLOCK) {
        throw new Bzip2Fault("A block does not begin as it should.");
      }
      yield withoutRuns(unsorted(bits, size));
    }
    bits.read(32);
    bits.align();
  }
}

class Bits {
  private at = 0;
  private held = 0;
  private count = 0;

  constructor(private readonly bytes: Uint8Array) {}

  /** Read up to 24 bits, or 32 as two halves. */
  read(wanted: number): number {
    if (wanted > 24) {
      return this.read(wanted - 16) * 65_536 + this.read(16);
    }
    while (this.count < wanted) {
      const next = this.bytes[this.at];
      if (next === undefined) {
        throw new Bzip2Fault("It ends too early.");
      }
      this.at += 1;
      this.held = ((this.held << 8) | next) & 0x7fffffff;
      this.count += 8;
    }
    this.count -= wanted;
    return (this.held >>> this.count) & ((1 << wanted) - 1);
  }

  /** Return the next bits, at most 24, without going on; behind the end there are zeros. */
  peek(wanted: number): number {
    while (this.count < wanted && this.at < this.bytes.length) {
      this.held = ((this.held << 8) | (this.bytes[this.at] ?? 0)) & 0x7fffffff;
      this.at += 1;
      this.count += 8;
    }
    const missing = wanted - this.count;
    const bits = missing > 0 ? this.held << missing : this.held >>> -missing;
    return bits & ((1 << wanted) - 1);
  }

  /** Go on by bits that were looked at. */
  skip(count: number): void {
    if (count > this.count) {
      throw new Bzip2Fault("It ends too early.");
    }
    this.count -= count;
  }

  read48(): number {
    return this.read(24) * 16_777_216 + this.read(24);
  }

  align(): void {
    this.count -= this.count % 8;
  }

  isAtEnd(): boolean {
    return this.at >= this.bytes.length && this.count < 8;
  }
}

/**
 * Codes of one table: symbols sorted by the length of their code, and for each length where its codes begin and end.
 *
 * `short` has for all that can follow in `SHORT` bits the symbol whose code that begins with, and above it the length
 * of this code; 0 where the code is longer.
 */
type Codes = { limits: Int32Array; bases: Int32Array; symbols: Int32Array; short: Uint16Array };

const SHORT = 10;
const SYMBOL_BITS = 9;

function codesOf(lengths: readonly number[]): Codes {
  const symbols = new Int32Array(lengths.length);
  const limits = new Int32Array(LENGTH_MAX + 2).fill(-1);
  const bases = new Int32Array(LENGTH_MAX + 2);
  const short = new Uint16Array(1 << SHORT);
  let code = 0;
  let place = 0;
  for (let length = 1; length <= LENGTH_MAX; length += 1) {
    bases[length] = place - code;
    lengths.forEach((own, symbol) => {
      if (own === length) {
        symbols[place] = symbol;
        if (length <= SHORT) {
          const rest = SHORT - length;
          short.fill((length << SYMBOL_BITS) | symbol, code << rest, (code + 1) << rest);
        }
        place += 1;
        code += 1;
      }
    });
    limits[length] = code - 1;
    code <<= 1;
  }
  return { limits, bases, symbols, short };
}

function readSymbol(bits: Bits, { limits, bases, symbols, short }: Codes): number {
  const found = short[bits.peek(SHORT)] ?? 0;
  if (found !== 0) {
    bits.skip(found >> SYMBOL_BITS);
    return found & ((1 << SYMBOL_BITS) - 1);
  }
  let code = 0;
  for (let length = 1; length <= LENGTH_MAX; length += 1) {
    code = (code << 1) | bits.read(1);
    if (code <= (limits[length] ?? -1)) {
      return symbols[code + (bases[length] ?? 0)] ?? 0;
    }
  }
  throw new Bzip2Fault("A code is not in its table.");
}

function readAlphabet(bits: Bits): number[] {
  const rows = bits.read(16);
  const alphabet: number[] = [];
  for (let row = 0; row < 16; row += 1) {
    if (rows & (0x8000 >> row)) {
      const used = bits.read(16);
      for (let column = 0; column < 16; column += 1) {
        if (used & (0x8000 >> column)) {
          alphabet.push(row * 16 + column);
        }
      }
    }
  }
  return alphabet;
}

function readSelectors(bits: Bits, tables: number): Uint8Array {
  const recent = Array.from({ length: tables }, (_, index) => index);
  const selectors = new Uint8Array(bits.read(15));
  for (let index = 0; index < selectors.length; index += 1) {
    let place = 0;
    while (bits.read(1)) {
      place += 1;
    }
    const [table] = recent.splice(place, 1);
    if (table === undefined) {
      throw new Bzip2Fault("A table is named that is not there.");
    }
    recent.unshift(table);
    selectors[index] = table;
  }
  return selectors;
}

function readLengths(bits: Bits, symbols: number): number[] {
  let length = bits.read(5);
  return Array.from({ length: symbols }, () => {
    while (bits.read(1)) {
      length += bits.read(1) ? -1 : 1;
    }
    if (length < 1 || length > LENGTH_MAX) {
      throw new Bzip2Fault("A code has no possible length.");
    }
    return length;
  });
}

/** Read a block and undo its sorting (Burrows and Wheeler). */
function unsorted(bits: Bits, size: number): Uint8Array {
  bits.read(32);
  if (bits.read(1)) {
    throw new Bzip2Fault("It was written by a bzip2 older than 1.0.");
  }
  const origin = bits.read(24);
  const alphabet = readAlphabet(bits);
  const tables = bits.read(3);
  const selectors = readSelectors(bits, tables);
  const codes = Array.from({ length: tables }, () => codesOf(readLengths(bits, alphabet.length + 2)));
  const sorted = readSorted(bits, { alphabet, selectors, codes, size });
  const count = sorted.length;
  if (origin >= count && count > 0) {
    throw new Bzip2Fault("A block begins behind its end.");
  }
  // Where the byte before each byte is: equal bytes keep their order.
  const starts = new Int32Array(257);
  for (const byte of sorted) {
    starts[byte + 1] = (starts[byte + 1] ?? 0) + 1;
  }
  for (let byte = 0; byte < 256; byte += 1) {
    starts[byte + 1] = (starts[byte + 1] ?? 0) + (starts[byte] ?? 0);
  }
  const next = new Int32Array(count);
  for (let index = 0; index < count; index += 1) {
    const byte = sorted[index] ?? 0;
    const place = starts[byte] ?? 0;
    starts[byte] = place + 1;
    next[place] = index;
  }
  const plain = new Uint8Array(count);
  let at = next[origin] ?? 0;
  for (let index = 0; index < count; index += 1) {
    plain[index] = sorted[at] ?? 0;
    at = next[at] ?? 0;
  }
  return plain;
}

type Block = { alphabet: number[]; selectors: Uint8Array; codes: Codes[]; size: number };

/** Read the symbols of a block: runs of the latest byte, and bytes by how long ago they were seen. */
function readSorted(bits: Bits, { alphabet, selectors, codes, size }: Block): Uint8Array {
  const recent = Uint8Array.from(alphabet);
  const end = alphabet.length + 1;
  const sorted = new Uint8Array(size);
  let count = 0;
  let run = 0;
  let unit = 1;
  for (const selector of selectors) {
    const table = codes[selector];
    for (let left = GROUP; table && left > 0; left -= 1) {
      const symbol = readSymbol(bits, table);
      if (symbol < 2) {
        run += unit << symbol;
        unit <<= 1;
        if (run > size) {
          throw new Bzip2Fault("A block is larger than its size.");
        }
        continue;
      }
      if (count + run + 1 > size + (symbol === end ? 1 : 0)) {
        throw new Bzip2Fault("A block is larger than its size.");
      }
      sorted.fill(recent[0] ?? 0, count, count + run);
      count += run;
      run = 0;
      unit = 1;
      if (symbol === end) {
        return sorted.subarray(0, count);
      }
      const byte = recent[symbol - 1] ?? 0;
      recent.copyWithin(1, 0, symbol - 1);
      recent[0] = byte;
      sorted[count] = byte;
      count += 1;
    }
  }
  throw new Bzip2Fault("A block does not end.");
}

/** Undo the first step of packing: four equal bytes are followed by how many more there are. */
function withoutRuns(bytes: Uint8Array): Uint8Array {
  const plain = new Uint8Array(sizeWithoutRuns(bytes));
  let at = 0;
  let same = 0;
  let last = -1;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    if (same === 4) {
      plain.fill(last, at, at + byte);
      at += byte;
      same = 0;
      last = -1;
      continue;
    }
    same = byte === last ? same + 1 : 1;
    last = byte;
    plain[at] = byte;
    at += 1;
  }
  return plain;
}

function sizeWithoutRuns(bytes: Uint8Array): number {
  let size = bytes.length;
  let same = 0;
  let last = -1;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    if (same === 4) {
      size += byte - 1;
      same = 0;
      last = -1;
      continue;
    }
    same = byte === last ? same + 1 : 1;
    last = byte;
  }
  return size;
}
