/** Filters, sorts and counts rows in the page, for lists that the API hands out whole. */

import type { Sort } from "./address";
import type { Row } from "./api";
import type { Spec } from "./filters";
import { lookUp } from "./templates";

export function matching(rows: readonly Row[], search: readonly Spec[]): Row[] {
  const tests = search.map(testOf);
  return rows.filter((row) => tests.every((test) => test(row)));
}

export function sorted(rows: readonly Row[], sort: readonly Sort[]): Row[] {
  return [...rows].sort((a, b) => {
    for (const { column, descending } of sort) {
      const order = compare(lookUp(a, column), lookUp(b, column));
      if (order !== 0) {
        return descending ? -order : order;
      }
    }
    return 0;
  });
}

export function counted(rows: readonly Row[], column: string): Row[] {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const found = lookUp(row, column);
    for (const value of Array.isArray(found) ? (found as unknown[]) : [found]) {
      const name = textOf(value);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return [...counts].map(([value, count]) => ({ [column]: value, count })).sort((a, b) => b.count - a.count);
}

/** Numbers by size, texts by alphabet with numbers in them by size; nothing comes last. */
export function compare(a: unknown, b: unknown): number {
  const isNothing = (value: unknown) => value === null || value === undefined || value === "";
  if (isNothing(a) || isNothing(b)) {
    return Number(isNothing(a)) - Number(isNothing(b));
  }
  if (typeof a === "number" && typeof b === "number") {
    return a - b;
  }
  return textOf(a).localeCompare(textOf(b), "en", { numeric: true });
}

function testOf(spec: Spec): (row: Row) => boolean {
  const { parameter, operator } = spec;
  const valueIn = (row: Row) => lookUp(row, parameter);
  if (!("value" in spec || "values" in spec)) {
    return (row) => isThere(valueIn(row)) === (operator === "exists");
  }
  if ("values" in spec && operator === "between") {
    const [least = "", most = ""] = spec.values;
    return (row) =>
      isThere(valueIn(row)) && order(valueIn(row), least) >= 0 && order(valueIn(row), most) <= 0;
  }
  if ("values" in spec) {
    const wanted = new Set(spec.values);
    const isIn = (value: unknown) =>
      Array.isArray(value) ? value.some((each) => wanted.has(textOf(each))) : wanted.has(textOf(value));
    return (row) => isIn(valueIn(row)) === (operator === "in");
  }
  const { value } = spec;
  switch (operator) {
    case "eq":
      return (row) => isEqual(valueIn(row), value);
    case "neq":
      return (row) => !isEqual(valueIn(row), value);
    case "gt":
      return (row) => isThere(valueIn(row)) && order(valueIn(row), value) > 0;
    case "gte":
      return (row) => isThere(valueIn(row)) && order(valueIn(row), value) >= 0;
    case "lt":
      return (row) => isThere(valueIn(row)) && order(valueIn(row), value) < 0;
    case "lte":
      return (row) => isThere(valueIn(row)) && order(valueIn(row), value) <= 0;
    case "regex": {
      const pattern = safePattern(value);
      return (row) => pattern?.test(textOf(valueIn(row))) ?? false;
    }
    default: {
      const pattern = likeToPattern(value);
      return (row) => pattern.test(textOf(valueIn(row))) === (operator === "like");
    }
  }
}

function isThere(value: unknown): boolean {
  return value !== null && value !== undefined && value !== "";
}

function isEqual(value: unknown, wanted: string): boolean {
  return Array.isArray(value) ? value.some((each) => textOf(each) === wanted) : textOf(value) === wanted;
}

function order(value: unknown, wanted: string): number {
  return typeof value === "number"
    ? value - Number(wanted)
    : compare(textOf(value).replace(" ", "T"), wanted);
}

function likeToPattern(like: string): RegExp {
  const source = like.replace(/\\([\s\S])|([%_])|([.*+?^${}()|[\]\\])/g, (_, escaped, wild, special) => {
    if (wild) {
      return wild === "%" ? "[\\s\\S]*" : "[\\s\\S]";
    }
    return (escaped ?? special).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${source}$`, "u");
}

function safePattern(text: string): RegExp | undefined {
  try {
    return new RegExp(text, "u");
  } catch {
    return undefined;
  }
}

export function textOf(value: unknown): string {
  if (value === null || value === undefined) {
    return "";
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
