/** How columns can be compared, and what that is called. */

import type { Operator } from "./filters";
import type { Column, View } from "./views";

/** What a column has that declares none: whatever a list of any room knows. */
const ALL: Operator[] = ["eq", "neq", "in", "not in", "gt", "lt", "like", "not like", "regex"];
const WORDS: Record<Operator, string> = {
  gte: "is at least",
  lte: "is at most",
  between: "is from … to …",
  exists: "has a value",
  missing: "has no value",
  under: "is below",
  eq: "is",
  neq: "is not",
  in: "is one of",
  "not in": "is none of",
  gt: "is more than",
  lt: "is less than",
  like: "is like (%)",
  "not like": "is not like (%)",
  regex: "matches (regex)",
};
const TIME_WORDS: Partial<Record<Operator, string>> = {
  gt: "is after",
  gte: "is at or after",
  lt: "is before",
  lte: "is at or before",
};

export const SPANS = ["-1h", "-6h", "-1d", "-7d", "-30d"];

export function operatorsOf(column: Column | undefined): Operator[] {
  return column?.operators?.length ? column.operators : ALL;
}

export function operatorWords(operator: Operator, column: Column | undefined): string {
  return (column?.type === "time" ? TIME_WORDS[operator] : undefined) ?? WORDS[operator];
}

/** Return all values that a column can have, where its view declares them. */
export function declaredValues(column: Column, view: View): string[] | undefined {
  if (Array.isArray(column.values)) {
    return column.values.map(String);
  }
  if (column.name === view.status_column && view.statuses?.length) {
    return view.statuses.map((status) => status.value);
  }
  return column.type === "bool" ? ["true", "false"] : undefined;
}
