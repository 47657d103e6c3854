/**
 * The filter language of the search field and of the command line's `--where`: text, conditions, the API's specs.
 *
 *     Status not in (Done, Failed) and Site = LCG.* and LastUpdateTime > -2d
 *
 * `filters.cases.json` holds what both this module and `weyl.client.filters` are tested with.
 */

import { isRelative, momentBefore } from "./times";

export type Operator = "eq" | "neq" | "gt" | "lt" | "in" | "not in" | "like" | "not like" | "regex";

/** A value as written; in quotes it is taken literally, otherwise `*` and `-2d` have a meaning. */
export type Word = { text: string; quoted: boolean };

export type Condition = { parameter: string; operator: Operator; values: Word[] };

export type Spec =
  | { parameter: string; operator: string; value: string }
  | { parameter: string; operator: string; values: string[] };

export class FilterFault extends Error {
  constructor(
    readonly expected: string,
    readonly at: number,
    readonly text: string,
  ) {
    const rest = text.slice(at, at + 20);
    super(`${expected} ${rest ? `at “${rest}”` : "at its end"}`);
  }
}

const SYMBOLS: Record<string, Operator> = { "=": "eq", "!=": "neq", ">": "gt", "<": "lt", "~": "regex" };
const SPELLINGS: Record<Operator, string> = {
  eq: "=",
  neq: "!=",
  gt: ">",
  lt: "<",
  regex: "~",
  in: "in",
  "not in": "not in",
  like: "like",
  "not like": "not like",
};
export const OPERATORS = Object.keys(SPELLINGS) as Operator[];

// As in Python, `\w` means letters of every script; a blank is what Python's `\s` takes.
const NAME = /[A-Za-z_][\p{L}\p{N}_.]*/uy;
const OPERATOR = /!=|[=><~]|not[\s-]+(?:in|like)(?![\p{L}\p{N}_])|(?:in|like)(?![\p{L}\p{N}_])/uy;
const BARE = /[^\s,()'"]+/uy;
const QUOTED = /"(?:[^"\\]|\\[^\n])*"|'(?:[^'\\]|\\[^\n])*'/uy;
const AND = /and(?![\p{L}\p{N}_])/iuy;
const SPACE = /\s*/uy;
const OPEN = /\(/y;
const CLOSE = /\)/y;
const COMMA = /,/y;

export function takesList(operator: Operator): boolean {
  return operator === "in" || operator === "not in";
}

/** Read a filter; throws a FilterFault that points at what is wrong. */
export function parse(text: string): Condition[] {
  return new Reader(text).conditions();
}

/** Write conditions in the filter language; `parse` reads the same conditions back. */
export function render(conditions: readonly Condition[]): string {
  return conditions.map(renderCondition).join(" and ");
}

export function renderCondition(condition: Condition): string {
  const values = condition.values.map(renderWord);
  const value = takesList(condition.operator) ? `(${values.join(", ")})` : (values[0] ?? '""');
  return `${condition.parameter} ${SPELLINGS[condition.operator]} ${value}`;
}

/** Return the conditions as the API wants them; `now` is what relative times count from. */
export function specs(conditions: readonly Condition[], now: Date): Spec[] {
  return conditions.map((condition) => spec(condition, now));
}

/** Return a word for a value that is meant as it is. */
export function literal(text: string): Word {
  return { text, quoted: isSpecial(text) || !isBare(text) };
}

/** Return the pattern of SQL's LIKE for a text in which `*` stands for anything. */
export function likePattern(text: string): string {
  return text.replace(/[\\%_]/g, "\\$&").replaceAll("*", "%");
}

export function isBare(text: string): boolean {
  BARE.lastIndex = 0;
  return BARE.exec(text)?.[0] === text;
}

/** Tell whether a word means something else without quotes. */
export function isSpecial(text: string): boolean {
  return text.includes("*") || isRelative(text);
}

function spec(condition: Condition, now: Date): Spec {
  const { parameter, operator } = condition;
  if (takesList(operator)) {
    return { parameter, operator, values: condition.values.map((word) => moment(word, now)) };
  }
  const word = condition.values[0] ?? { text: "", quoted: true };
  if ((operator === "eq" || operator === "neq") && word.text.includes("*") && !word.quoted) {
    return { parameter, operator: operator === "eq" ? "like" : "not like", value: likePattern(word.text) };
  }
  return { parameter, operator, value: moment(word, now) };
}

function moment(word: Word, now: Date): string {
  return !word.quoted && isRelative(word.text) ? momentBefore(now, word.text) : word.text;
}

function renderWord(word: Word): string {
  if (!word.quoted && isBare(word.text)) {
    return word.text;
  }
  return `"${word.text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** Walks through the text of a filter once, from left to right. */
class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  conditions(): Condition[] {
    const found = [this.condition()];
    while (!this.isAtEnd()) {
      if (this.take(AND) === undefined) {
        throw this.fault("expected `and`");
      }
      found.push(this.condition());
    }
    return found;
  }

  private condition(): Condition {
    const parameter = this.take(NAME);
    if (parameter === undefined) {
      throw this.fault("expected the name of a column");
    }
    const spelled = this.take(OPERATOR);
    if (spelled === undefined) {
      throw this.fault("expected one of = != > < ~ in, not in, like, not like");
    }
    const operator = SYMBOLS[spelled] ?? (spelled.replace(/[\s-]+/g, " ") as Operator);
    return { parameter, operator, values: takesList(operator) ? this.list() : [this.word()] };
  }

  private list(): Word[] {
    if (this.take(OPEN) === undefined) {
      throw this.fault("expected a list in round brackets");
    }
    if (this.take(CLOSE) !== undefined) {
      return [];
    }
    const words: Word[] = [];
    for (;;) {
      words.push(this.word());
      if (this.take(CLOSE) !== undefined) {
        return words;
      }
      if (this.take(COMMA) === undefined) {
        throw this.fault("expected `,` or `)`");
      }
    }
  }

  private word(): Word {
    const quoted = this.take(QUOTED);
    if (quoted !== undefined) {
      return { text: quoted.slice(1, -1).replace(/\\([\s\S])/g, "$1"), quoted: true };
    }
    const bare = this.take(BARE);
    if (bare === undefined) {
      throw this.fault("expected a value");
    }
    return { text: bare, quoted: false };
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.skipSpace();
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) {
      this.at = pattern.lastIndex;
    }
    return found;
  }

  private skipSpace(): number {
    SPACE.lastIndex = this.at;
    SPACE.exec(this.text);
    return SPACE.lastIndex;
  }

  private isAtEnd(): boolean {
    return this.skipSpace() === this.text.length;
  }

  private fault(expected: string): FilterFault {
    return new FilterFault(expected, this.skipSpace(), this.text);
  }
}
