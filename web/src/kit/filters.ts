/**
 * The filter language of the search field and of the command line's `--where`: text, conditions, the API's specs.
 *
 *     Status not in (Done, Failed) and Site = LCG.* and LastUpdateTime > -2d
 *     under /vo/mc: Run between 1200 and 1299 and Particle in (gamma, proton)
 *
 * `filters.cases.json` holds what both this module and `weyl.client.filters` are tested with.
 */

import { isRelative, momentBefore } from "./times";

export type Operator =
  | "eq"
  | "neq"
  | "gt"
  | "gte"
  | "lt"
  | "lte"
  | "between"
  | "in"
  | "not in"
  | "like"
  | "not like"
  | "regex"
  | "exists"
  | "missing"
  /** Below a node of the view's tree: no operator of the API, which takes the node beside the conditions. */
  | "under";

/** A value as written; in quotes it is taken literally, otherwise `*` and `-2d` have a meaning. */
export type Word = { text: string; quoted: boolean };

export type Condition = { parameter: string; operator: Operator; values: Word[] };

export type Spec =
  | { parameter: string; operator: string }
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

const SYMBOLS: Record<string, Operator> = {
  "=": "eq",
  "!=": "neq",
  ">": "gt",
  ">=": "gte",
  "<": "lt",
  "<=": "lte",
  "~": "regex",
};
const SPELLINGS: Record<Operator, string> = {
  eq: "=",
  neq: "!=",
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
  regex: "~",
  between: "between",
  exists: "exists",
  missing: "missing",
  under: "under",
  in: "in",
  "not in": "not in",
  like: "like",
  "not like": "not like",
};
export const OPERATORS = Object.keys(SPELLINGS) as Operator[];

// As in Python, `\w` means letters of every script; a blank is what Python's `\s` takes.
const NAME = /[A-Za-z_][\p{L}\p{N}_.]*/uy;
const OPERATOR =
  /!=|>=|<=|[=><~]|not[\s-]+(?:in|like)(?![\p{L}\p{N}_])|(?:in|like|between|exists|missing)(?![\p{L}\p{N}_])/uy;
const UNDER = /under(?=\s)/iuy;
const COLON = /:/y;
const BARE = /[^\s,()'"]+/uy;
const QUOTED = /"(?:[^"\\]|\\[^\n])*"|'(?:[^'\\]|\\[^\n])*'/uy;
const AND = /and(?![\p{L}\p{N}_])/iuy;
const SPACE = /\s*/uy;
const OPEN = /\(/y;
const CLOSE = /\)/y;
const COMMA = /,/y;

/** Whether the values of an operator are a list of any length. */
export function takesList(operator: Operator): boolean {
  return operator === "in" || operator === "not in";
}

/** Return how many values an operator takes; none: as many as there are. */
export function valuesTaken(operator: Operator): number | undefined {
  if (takesList(operator)) {
    return undefined;
  }
  return operator === "exists" || operator === "missing" ? 0 : operator === "between" ? 2 : 1;
}

/**
 * Read a filter; throws a FilterFault that points at what is wrong.
 *
 * `tree` is the column that `under NODE:` at the beginning narrows down; without it there is no such beginning.
 */
export function parse(text: string, tree?: string | null): Condition[] {
  return new Reader(text).filter(tree);
}

/** Write conditions in the filter language; `parse` reads the same conditions back. */
export function render(conditions: readonly Condition[]): string {
  const above = conditions.filter(({ operator }) => operator === "under").map(renderCondition);
  const others = conditions.filter(({ operator }) => operator !== "under").map(renderCondition);
  return [...above.map((each) => `${each}:`), others.join(" and ")].join(" ").trim();
}

export function renderCondition({ parameter, operator, values }: Condition): string {
  const words = values.map(renderWord);
  const spelled = SPELLINGS[operator];
  if (operator === "under") {
    return `under ${words[0] ?? '""'}`;
  }
  if (valuesTaken(operator) === 0) {
    return `${parameter} ${spelled}`;
  }
  if (operator === "between") {
    return `${parameter} ${spelled} ${words[0] ?? '""'} and ${words[1] ?? '""'}`;
  }
  const value = takesList(operator) ? `(${words.join(", ")})` : (words[0] ?? '""');
  return `${parameter} ${spelled} ${value}`;
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
  if (valuesTaken(operator) === 0) {
    return { parameter, operator };
  }
  if (takesList(operator) || operator === "between") {
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

  filter(tree: string | null | undefined): Condition[] {
    if (!tree || this.take(UNDER) === undefined) {
      return this.conditions();
    }
    const node = { ...this.node() };
    const above: Condition = { parameter: tree, operator: "under", values: [node] };
    return this.isAtEnd() ? [above] : [above, ...this.conditions()];
  }

  /** A node ends with a colon, which may also be in its name. */
  private node(): Word {
    const start = this.skipSpace();
    const word = this.word();
    if (!word.quoted && word.text.endsWith(":") && word.text.length > 1) {
      return literal(word.text.slice(0, -1));
    }
    if (this.take(COLON) === undefined && !this.isAtEnd()) {
      this.at = start + (word.quoted ? 0 : word.text.length);
      throw this.fault("expected `:` after the directory");
    }
    return literal(word.text);
  }

  private conditions(): Condition[] {
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
    return { parameter, operator, values: this.values(operator) };
  }

  private values(operator: Operator): Word[] {
    if (takesList(operator)) {
      return this.list();
    }
    switch (valuesTaken(operator)) {
      case 0:
        return [];
      case 2: {
        const first = this.word();
        if (this.take(AND) === undefined) {
          throw this.fault("expected `and` between the two values");
        }
        return [first, this.word()];
      }
      default:
        return [this.word()];
    }
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
