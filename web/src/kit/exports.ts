/** Rows as files for other programs. */

import type { Row } from "./api";
import { textOf } from "./local";
import { lookUp } from "./templates";

/** Write one line of CSV (RFC 4180); a text that a spreadsheet would take for a formula gets an apostrophe before it. */
export function csvLine(values: readonly unknown[]): string {
  return `${values.map(csvCell).join(",")}\r\n`;
}

function csvCell(value: unknown): string {
  const text = textOf(value);
  const isFormula = typeof value === "string" && /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value));
  const safe = isFormula ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csvRows(rows: readonly Row[], columns: readonly string[]): string {
  return rows.map((row) => csvLine(columns.map((name) => lookUp(row, name)))).join("");
}

export function ndjsonRows(rows: readonly Row[], columns: readonly string[]): string {
  return rows
    .map((row) => `${JSON.stringify(Object.fromEntries(columns.map((name) => [name, lookUp(row, name)])))}\n`)
    .join("");
}
