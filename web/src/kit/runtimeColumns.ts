/** Columns that are known at run time only, such as the metadata fields of a VO, beside those that a view declares. */

import { isMapping } from "./templates";
import type { DeclaredCondition } from "./views";
import { type Column, plainColumn, type View } from "./views";

type Operators = DeclaredCondition["operator"][];

const ORDER: Operators = [
  "eq",
  "neq",
  "gt",
  "gte",
  "lt",
  "lte",
  "between",
  "in",
  "not in",
  "exists",
  "missing",
];
const TEXT: Operators = ["eq", "neq", "in", "not in", "like", "not like", "regex", "exists", "missing"];
const CHOICE: Operators = ["eq", "neq", "in", "not in", "exists", "missing"];
const TIME: Operators = ["gt", "gte", "lt", "lte", "between", "exists", "missing"];
const KINDS: Record<string, { type: Column["type"]; operators: Operators }> = {
  int: { type: "int", operators: ORDER },
  float: { type: "float", operators: ORDER },
  text: { type: "text", operators: TEXT },
  bool: { type: "bool", operators: ["eq", "neq", "exists", "missing"] },
  date: { type: "text", operators: ORDER },
  time: { type: "time", operators: TIME },
};

/** Return a view with the columns that its server told of; those that the view has itself stay as they are. */
export function withColumns(view: View, answer: unknown): View {
  const known = new Set(view.columns.map((column) => column.name));
  const found = (Array.isArray(answer) ? answer : [])
    .filter(isMapping)
    .filter(({ name }) => typeof name === "string" && !known.has(name))
    .map(columnOf);
  return found.length > 0 ? { ...view, columns: [...view.columns, ...found] } : view;
}

function columnOf(told: Record<string, unknown>): Column {
  const name = String(told.name);
  const kind = KINDS[String(told.type)] ?? { type: "text" as const, operators: TEXT };
  const values = Array.isArray(told.values) && told.values.length > 0 ? told.values.map(String) : undefined;
  return {
    ...plainColumn(name, kind.type),
    operators: values ? CHOICE : kind.operators,
    unit: typeof told.unit === "string" ? told.unit : undefined,
    values,
    help: typeof told.help === "string" ? told.help : "",
    sortable: false,
    width: 120,
  };
}
