/** What can come next where somebody types a filter: a column, how it is compared, with what, or `and`. */

import {
  isBare,
  isSpecial,
  type Operator,
  operatorSpelled,
  spellingOf,
  takesList,
  valuesTaken,
} from "./filters";
import { columnCalled } from "./meaning";
import { declaredValues, operatorsOf, operatorWords, SPANS } from "./operators";
import type { Column, View } from "./views";

/** Where the caret is, and what stands there already, from `from` on. */
export type Place = {
  kind: "column" | "operator" | "value" | "and";
  from: number;
  typed: string;
  column?: Column;
  operator?: Operator;
};

/** What can be put there: the text, and what it means to people. */
export type Option = { text: string; label: string; detail: string };

export const OPTIONS_MAX = 20;

const NAME = /[A-Za-z_][\p{L}\p{N}_.-]*/uy;
const OPERATOR =
  /!=|[<>]=|[=><~]|not[\s-]+(?:in|like)(?=[\s(])|(?:in|like|between|exists|missing)(?=[\s(])/uy;
const WORD = /"(?:[^"\\]|\\[^\n])*"|'(?:[^'\\]|\\[^\n])*'|[^\s,()'"]+/uy;
const UNCLOSED = /["'][^"']*$/y;
const UNDER = /\s*under\s+(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\S+?)(?:\s+depth\s+\d+)?\s*:/iuy;
const AND = /and(?=\s)/iuy;

/** Return what can come next behind a text; nothing where no help is possible. */
export function placeIn(before: string, view: View): Place | undefined {
  const scan = new Scan(before);
  if (view.tree_column && scan.take(UNDER) === undefined && /^\s*(?:under\s|\/|lfn:)/i.test(before)) {
    return undefined;
  }
  for (;;) {
    const found = conditionIn(scan, view);
    if (found !== "whole") {
      return found;
    }
    const from = scan.skip();
    if (scan.take(AND) === undefined) {
      const typed = before.slice(from);
      const isNext = "and".startsWith(typed.toLowerCase()) && /\s/.test(before[from - 1] ?? "");
      return isNext ? { kind: "and", from, typed } : undefined;
    }
  }
}

function conditionIn(scan: Scan, view: View): Place | undefined | "whole" {
  const from = scan.skip();
  const name = scan.take(NAME);
  if (name === undefined || scan.isAtEnd()) {
    return name !== undefined || scan.isAtEnd() ? { kind: "column", from, typed: name ?? "" } : undefined;
  }
  const column = columnCalled(name, view);
  const at = scan.skip();
  const spelled = scan.take(OPERATOR);
  if (spelled === undefined) {
    const typed = scan.rest();
    return /^[a-z\s-]{0,9}$/i.test(typed) ? { kind: "operator", from: at, typed, column } : undefined;
  }
  const operator = operatorSpelled(spelled);
  return takesList(operator)
    ? listIn(scan, { column, operator })
    : valuesIn(scan, { column, operator }, valuesTaken(operator));
}

type About = Pick<Place, "column" | "operator">;

function valuesIn(scan: Scan, about: About, count: number): Place | undefined | "whole" {
  for (let index = 0; index < count; index += 1) {
    if (index > 0 && scan.skip() && scan.take(AND) === undefined) {
      return undefined;
    }
    const found = wordIn(scan, about);
    if (found !== "whole") {
      return found;
    }
  }
  return "whole";
}

function listIn(scan: Scan, about: About): Place | undefined | "whole" {
  const from = scan.skip();
  if (scan.take(/\(/y) === undefined) {
    return scan.isAtEnd() ? { kind: "value", from, typed: "", ...about } : undefined;
  }
  for (;;) {
    scan.skip();
    if (scan.take(/\)/y) !== undefined) {
      return "whole";
    }
    const found = wordIn(scan, about);
    if (found !== "whole") {
      return found;
    }
    scan.skip();
    if (scan.take(/,/y) === undefined && scan.take(/(?=\))/y) === undefined) {
      return undefined;
    }
  }
}

function wordIn(scan: Scan, about: About): Place | undefined | "whole" {
  const from = scan.skip();
  const word = scan.take(WORD) ?? scan.take(UNCLOSED);
  if (word === undefined && !scan.isAtEnd()) {
    return undefined;
  }
  return scan.isAtEnd()
    ? { kind: "value", from, typed: (word ?? "").replace(/^["']|["']$/g, ""), ...about }
    : "whole";
}

class Scan {
  private at = 0;

  constructor(private readonly text: string) {}

  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) {
      this.at = pattern.lastIndex;
    }
    return found;
  }

  /** Skip blanks, and return the place behind them. */
  skip(): number {
    this.take(/\s*/y);
    return this.at;
  }

  rest(): string {
    return this.text.slice(this.at);
  }

  isAtEnd(): boolean {
    return this.at === this.text.length;
  }
}

/** Tell whether the values that a column can have must be asked for. */
export function needsValues(place: Place | undefined, view: View): boolean {
  return place?.kind === "value" && place.column !== undefined && !declaredValues(place.column, view);
}

/** Return what can be put at a place, the best first; `asked` are values that only the server knows. */
export function optionsAt(place: Place, view: View, asked: readonly string[] = []): Option[] {
  return { column: columns, operator: operators, value: values, and: () => [AND_ONLY] }
    [place.kind](place, view, asked)
    .slice(0, OPTIONS_MAX);
}

const AND_ONLY: Option = { text: "and ", label: "and", detail: "and another condition" };

function columns({ typed }: Place, view: View): Option[] {
  const usable = view.columns.filter((column) => column.filterable !== false);
  return ranked(usable, typed, ({ name, title }) => [name, title]).map(({ name, title }) => ({
    text: `${name} `,
    label: name,
    detail: title === name ? "" : title,
  }));
}

function operators({ typed, column }: Place): Option[] {
  const wanted = typed.replace(/[\s-]+/g, " ").toLowerCase();
  return operatorsOf(column)
    .filter((operator) => operator !== "under" && spellingOf(operator).startsWith(wanted))
    .map((operator) => ({
      text: takesList(operator) ? `${spellingOf(operator)} (` : `${spellingOf(operator)} `,
      label: spellingOf(operator),
      detail: operatorWords(operator, column),
    }));
}

function values({ typed, column, operator }: Place, view: View, asked: readonly string[]): Option[] {
  const isList = operator !== undefined && takesList(operator);
  const known = column ? (declaredValues(column, view) ?? asked) : [];
  if (column?.type === "time") {
    return SPANS.filter((span) => span.startsWith(typed)).map((span) => ({
      text: span,
      label: span,
      detail: SPAN_WORDS[span] ?? "",
    }));
  }
  if (isList && known.includes(typed)) {
    return [
      { text: `${written(typed)}, `, label: ",", detail: "and another value" },
      { text: `${written(typed)})`, label: ")", detail: "these are all" },
    ];
  }
  return ranked(known, typed, (value) => [value])
    .filter((value) => value !== typed)
    .map((value) => ({ text: written(value), label: value, detail: helpOf(value, column, view) }));
}

const SPAN_WORDS: Record<string, string> = {
  "-1h": "an hour ago",
  "-6h": "six hours ago",
  "-1d": "a day ago",
  "-7d": "a week ago",
  "-30d": "thirty days ago",
};

function helpOf(value: string, column: Column | undefined, view: View): string {
  const isStatus = column !== undefined && column.name === view.status_column;
  return (isStatus && view.statuses?.find((status) => status.value === value)?.help) || "";
}

function written(value: string): string {
  return isBare(value) && !isSpecial(value)
    ? value
    : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** Return what contains a text, in any case: what begins with it comes first. */
function ranked<T>(all: readonly T[], typed: string, namesOf: (each: T) => string[]): T[] {
  const wanted = typed.toLowerCase();
  const names = (each: T) => namesOf(each).map((name) => name.toLowerCase());
  const first = all.filter((each) => names(each).some((name) => name.startsWith(wanted)));
  const others = all.filter(
    (each) => !first.includes(each) && names(each).some((name) => name.includes(wanted)),
  );
  return [...first, ...others];
}

/** Put an option in place of what was typed; returns the text, and where the caret goes. */
export function withOption(text: string, caret: number, place: Place, option: Option) {
  const isOpening =
    place.kind === "value" && place.operator && takesList(place.operator) && !hasOpened(text, place);
  const put = `${isOpening ? "(" : ""}${option.text}`;
  return { text: text.slice(0, place.from) + put + text.slice(caret), caret: place.from + put.length };
}

function hasOpened(text: string, { from }: Place): boolean {
  return /[(,]\s*$/.test(text.slice(0, from));
}
