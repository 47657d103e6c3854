/**
 * The state of a list in its address: filter, columns, order, grouping, what is open, and which tab of it.
 *
 *     /jobs?f=Status:in:Failed,Stalled&f=LastUpdateTime:gt:-2d&cols=JobID,Status&sort=-JobID&by=Site&sel=123&tab=why
 *
 * `f` may repeat, and all must hold. Relative times stay relative. A value whose `*` or leading `-` is meant as such
 * has it percent-encoded once more. No `f` means the default filter of the view, an empty one means no filter.
 */

import { type Condition, isBare, isSpecial, OPERATORS, type Operator, takesList, type Word } from "./filters";

export type Sort = { column: string; descending: boolean };

export type ListState = {
  /** None: whatever the view shows by default. */
  conditions?: Condition[];
  columns?: string[];
  sort?: Sort[];
  by?: string;
  sel?: string;
  tab?: string;
};

/** The parameters of an address: each name with the values that it has, in their order. */
export type Search = Record<string, string | string[]>;

export function readSearch(text: string): Search {
  const search: Search = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const before = search[name];
    search[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return search;
}

/** Write parameters so that people can read them: `:`, `,` and the like stay as they are. */
export function writeSearch(search: Record<string, unknown>): string {
  const parts = Object.entries(search).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((each) => each !== undefined && each !== null)
      .map((each) => `${encodeURIComponent(name)}=${lightly(String(each))}`),
  );
  return parts.length > 0 ? `?${parts.join("&")}` : "";
}

function lightly(text: string): string {
  return encodeURIComponent(text).replace(/%(3A|2C|2F|40|24)/g, (code) => decodeURIComponent(code));
}

export function readState(search: Search): ListState {
  const state: ListState = {};
  if (search.f !== undefined) {
    state.conditions = many(search.f)
      .map(readCondition)
      .filter((each) => each !== undefined);
  }
  if (search.cols !== undefined) {
    state.columns = words(search.cols);
  }
  if (search.sort !== undefined) {
    state.sort = words(search.sort).map((key) =>
      key.startsWith("-") ? { column: key.slice(1), descending: true } : { column: key, descending: false },
    );
  }
  const by = many(search.by)[0];
  const sel = many(search.sel)[0];
  const tab = many(search.tab)[0];
  return { ...state, ...(by && { by }), ...(sel && { sel }), ...(tab && { tab }) };
}

export function writeState(state: ListState): Search {
  const search: Search = {};
  if (state.conditions) {
    search.f = state.conditions.length > 0 ? state.conditions.map(writeCondition) : "";
  }
  if (state.columns) {
    search.cols = state.columns.join(",");
  }
  if (state.sort) {
    search.sort = state.sort.map(({ column, descending }) => (descending ? `-${column}` : column)).join(",");
  }
  for (const name of ["by", "sel", "tab"] as const) {
    const value = state[name];
    if (value) {
      search[name] = value;
    }
  }
  return search;
}

export function writeCondition({ parameter, operator, values }: Condition): string {
  return `${parameter}:${operator.replace(" ", "-")}:${values.map((word) => writeWord(word)).join(",")}`;
}

/** Read one `f`; none where it is no condition at all. */
export function readCondition(text: string): Condition | undefined {
  const match = /^([^:]+):([a-z-]+):([\s\S]*)$/.exec(text);
  const operator = match?.[2]?.replace("not-", "not ") as Operator | undefined;
  if (!match?.[1] || operator === undefined || !OPERATORS.includes(operator)) {
    return undefined;
  }
  const rest = match[3] ?? "";
  const parameter = match[1];
  const values = () => (rest === "" ? [] : rest.split(",").map(readWord));
  if (takesList(operator)) {
    return { parameter, operator, values: values() };
  }
  switch (operator) {
    case "exists":
    case "missing":
      return { parameter, operator, values: [] };
    case "between":
      return values().length === 2 ? { parameter, operator, values: values() } : undefined;
    case "under":
      return values().length > 0 ? { parameter, operator, values: values().slice(0, 2) } : undefined;
    default:
      return { parameter, operator, values: [readWord(rest)] };
  }
}

function writeWord({ text, quoted }: Word): string {
  const plain = text.replace(/[%,]/g, encodeURIComponent);
  return quoted && isSpecial(text) ? plain.replace(/\*/g, "%2A").replace(/^-/, "%2D") : plain;
}

function readWord(written: string): Word {
  const text = decoded(written);
  const isMeantAsSuch = isSpecial(text) && !isSpecial(written);
  return { text, quoted: isMeantAsSuch || !isBare(text) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function many(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

function words(value: string | string[]): string[] {
  return many(value).join(",").split(",").filter(Boolean);
}
