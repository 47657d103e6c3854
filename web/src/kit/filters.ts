/**
 * The filter language of the search field and of the command line's `--where`: text, conditions, the API's specs.
 *
 *     Status not in (Done, Failed) and Site = LCG.* and LastUpdateTime > -2d
 *
 * Queries for files have a directory before it, and more operators:
 *
 *     under /vo/mc: Run between 1200 and 1299 and Particle in (gamma, proton) and Comment missing
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
  /** Below a node of the view's tree, and so many levels at most: the API takes both beside the conditions. */
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
  "<": "lt",
  "~": "regex",
  // Of queries for files alone.
  ">=": "gte",
  "<=": "lte",
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
/** The words among the spellings. */
export const SPELLED = Object.values(SPELLINGS).filter((spelling) => /^[a-z]/.test(spelling));

export function spellingOf(operator: Operator): string {
  return SPELLINGS[operator];
}

/** Return the operator that is written so. */
export function operatorSpelled(text: string): Operator {
  return SYMBOLS[text] ?? (text.replace(/[\s-]+/g, " ") as Operator);
}

// As in Python, `\w` means letters of every script; a blank is what Python's `\s` takes.
const NAME = /[A-Za-z_][\p{L}\p{N}_.]*/uy;
const OPERATOR = /!=|[=><~]|not[\s-]+(?:in|like)(?![\p{L}\p{N}_])|(?:in|like)(?![\p{L}\p{N}_])/uy;
const BARE = /[^\s,()'"]+/uy;
const QUOTED = /"(?:[^"\\]|\\[^\n])*"|'(?:[^'\\]|\\[^\n])*'/uy;
const AND = /and(?![\p{L}\p{N}_])/iuy;
const SPACE = /\s*/uy;
const QUERY_NAME = /[A-Za-z_][\p{L}\p{N}_.-]*/uy;
const QUERY_OPERATOR =
  /!=|[<>]=|[=><~]|not[\s-]+(?:in|like)(?![\p{L}\p{N}_])|(?:in|like|between|exists|missing)(?![\p{L}\p{N}_])/uy;
// A directory; a field may be called `under`, too.
const UNDER = /under\s+(?=[/"']|lfn:)/iuy;
const PATH = /[^\s'"]+?(?=:?(?:\s|$))/uy;
const DEPTH = /depth\s+(?=\d)/uy;
const LEVELS = /\d{1,3}(?![\p{L}\p{N}_])/uy;
const COLON = /:/y;
const OPEN = /\(/y;
const CLOSE = /\)/y;
const COMMA = /,/y;

/** Whether the values of an operator are a list of any length. */
export function takesList(operator: Operator): boolean {
  return operator === "in" || operator === "not in";
}

/** Return how many values an operator takes at least, unless they are a list. */
export function valuesTaken(operator: Operator): 0 | 1 | 2 {
  return operator === "exists" || operator === "missing" ? 0 : operator === "between" ? 2 : 1;
}

/** Read a filter; throws a FilterFault that points at what is wrong. */
export function parse(text: string): Condition[] {
  return new Reader(text).conditions();
}

/** Read a query for files, which may be empty; `tree` is the column that its directory is of. */
export function parseQuery(text: string, tree: string): Condition[] {
  return new QueryReader(text).query(tree);
}

/** Write conditions in the filter language; `parse` reads the same conditions back. */
export function render(conditions: readonly Condition[]): string {
  const above = conditions.find(({ operator }) => operator === "under");
  const others = conditions
    .filter((each) => each.operator !== "under")
    .map(renderCondition)
    .join(" and ");
  return above ? `${renderCondition(above)}${others && `: ${others}`}` : others;
}

export function renderCondition({ parameter, operator, values }: Condition): string {
  const [first = '""', second = '""'] = values.map(renderWord);
  const spelled = SPELLINGS[operator];
  if (operator === "under") {
    return `under ${renderPath(values[0]?.text ?? "")}${values[1] ? ` depth ${values[1].text}` : ""}`;
  }
  if (valuesTaken(operator) === 0) {
    return `${parameter} ${spelled}`;
  }
  if (operator === "between") {
    return `${parameter} ${spelled} ${first} and ${second}`;
  }
  const value = takesList(operator) ? `(${values.map(renderWord).join(", ")})` : first;
  return `${parameter} ${spelled} ${value}`;
}

function renderPath(path: string): string {
  PATH.lastIndex = 0;
  return path.startsWith("/") && PATH.exec(path)?.[0] === path ? path : quoted(path);
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
  if (operator === "under") {
    return { parameter, operator, values: condition.values.map(({ text }) => text) };
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
  return quoted(word.text);
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

function unquoted(text: string): string {
  return text.slice(1, -1).replace(/\\([\s\S])/g, "$1");
}

/** Walks through the text of a filter once, from left to right. */
class Reader {
  private at = 0;

  constructor(protected readonly text: string) {}

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

  protected condition(): Condition {
    const parameter = this.take(NAME);
    if (parameter === undefined) {
      throw this.fault("expected the name of a column");
    }
    const spelled = this.take(OPERATOR);
    if (spelled === undefined) {
      throw this.fault("expected one of = != > < ~ in, not in, like, not like");
    }
    const operator = operatorSpelled(spelled);
    return { parameter, operator, values: takesList(operator) ? this.list() : [this.word()] };
  }

  protected list(): Word[] {
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

  protected word(): Word {
    const quoted = this.take(QUOTED);
    if (quoted !== undefined) {
      return { text: unquoted(quoted), quoted: true };
    }
    const bare = this.take(BARE);
    if (bare === undefined) {
      throw this.fault("expected a value");
    }
    return { text: bare, quoted: false };
  }

  protected take(pattern: RegExp): string | undefined {
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

  protected isAtEnd(): boolean {
    return this.skipSpace() === this.text.length;
  }

  protected fault(expected: string): FilterFault {
    return new FilterFault(expected, this.skipSpace(), this.text);
  }
}

/** Walks through the text of a query for files. */
class QueryReader extends Reader {
  query(tree: string): Condition[] {
    const above = this.take(UNDER) === undefined ? [] : [this.directory(tree)];
    return this.isAtEnd() ? above : [...above, ...this.conditions()];
  }

  private directory(tree: string): Condition {
    const quoted = this.take(QUOTED);
    const path = quoted === undefined ? this.take(PATH) : unquoted(quoted);
    if (path === undefined) {
      throw this.fault("expected a directory");
    }
    const values = [literal(path)];
    if (this.take(DEPTH) !== undefined) {
      const levels = this.take(LEVELS);
      if (levels === undefined) {
        throw this.fault("expected a number of levels");
      }
      values.push({ text: String(Number(levels)), quoted: false });
    }
    if (this.take(COLON) === undefined && !this.isAtEnd()) {
      throw this.fault("expected `:`");
    }
    return { parameter: tree, operator: "under", values };
  }

  protected override condition(): Condition {
    const parameter = this.take(QUERY_NAME);
    if (parameter === undefined) {
      throw this.fault("expected the name of a field");
    }
    const spelled = this.take(QUERY_OPERATOR);
    if (spelled === undefined) {
      throw this.fault(
        "expected one of = != > < >= <= ~ in, not in, between, like, not like, exists, missing",
      );
    }
    const operator = operatorSpelled(spelled);
    if (takesList(operator)) {
      return { parameter, operator, values: this.list() };
    }
    if (valuesTaken(operator) === 0) {
      return { parameter, operator, values: [] };
    }
    const first = this.word();
    if (operator !== "between") {
      return { parameter, operator, values: [first] };
    }
    if (this.take(AND) === undefined) {
      throw this.fault("expected `and` and the larger value");
    }
    return { parameter, operator, values: [first, this.word()] };
  }
}
