/** JSON as it was written: numbers keep their digits, which the browser's own numbers would round. */

/** A value of JSON by its text: `1.0` stays a float, and an integer of 64 bits is exact. */
export class Written {
  constructor(readonly text: string) {}

  /** For whoever writes JSON without knowing of it: as near as the browser's numbers come. */
  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}

/** Return a value as JSON. */
export function writeJson(value: unknown): string {
  if (value instanceof Written) {
    return value.text;
  }
  if (Array.isArray(value)) {
    return `[${value.map((each) => writeJson(each ?? null)).join(",")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const parts = Object.entries(value).flatMap(([name, each]) =>
      each === undefined ? [] : [`${JSON.stringify(name)}:${writeJson(each)}`],
    );
    return `{${parts.join(",")}}`;
  }
  return JSON.stringify(value);
}

/** Return a number that somebody typed as JSON writes it; none if it is no number. */
export function readNumber(text: string): Written | number | undefined {
  const found = /^([+-]?)(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.exec(text.trim());
  if (!found) {
    return undefined;
  }
  const [, sign, digits = "", power = ""] = found;
  const [whole = "", fraction] = digits.split(".");
  const point = fraction === undefined ? "" : `.${fraction || "0"}`;
  const json = `${sign === "-" ? "-" : ""}${whole.replace(/^0+(?=\d)/, "") || "0"}${point}${power}`;
  const number = Number(json);
  return Number.isFinite(number) ? (String(number) === json ? number : new Written(json)) : undefined;
}
