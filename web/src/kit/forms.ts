/** What a form made from a JSON Schema asks for, and whether what was typed will do. */

import { isMapping } from "./templates";
import type { Schema } from "./views";

export type Values = Record<string, unknown>;

/** Return what stands in a form at first. */
export function defaultsOf(schema: Schema | null | undefined): Values {
  const values: Values = {};
  for (const [name, field] of Object.entries(schema?.properties ?? {})) {
    if (field.default !== undefined && field.default !== null) {
      values[name] = field.default;
    }
  }
  return values;
}

/** Return what is wrong with each field. */
export function problemsOf(schema: Schema | null | undefined, values: Values): Record<string, string> {
  const problems: Record<string, string> = {};
  for (const [name, field] of Object.entries(schema?.properties ?? {})) {
    const value = values[name];
    const isEmpty =
      value === undefined || value === null || (typeof value === "string" && value.trim() === "");
    const problem = isEmpty
      ? schema?.required?.includes(name)
        ? "This is needed."
        : undefined
      : problemOf(field, value);
    if (problem) {
      problems[name] = problem;
    }
  }
  return problems;
}

function problemOf(field: Schema, value: unknown): string | undefined {
  const text = String(value);
  if (isNumber(field)) {
    const number = Number(value);
    if (Number.isNaN(number) || (field.type === "integer" && !Number.isInteger(number))) {
      return field.type === "integer" ? "Write a whole number." : "Write a number.";
    }
    if (field.minimum !== undefined && number < field.minimum) {
      return `At least ${field.minimum}.`;
    }
    if (field.maximum !== undefined && number > field.maximum) {
      return `At most ${field.maximum}.`;
    }
  } else if (field.type === "object" && !isMapping(parsed(text))) {
    return 'Write an object in JSON, such as {"name": 1}.';
  } else if (field.minLength !== undefined && text.trim().length < field.minLength) {
    return `At least ${field.minLength} characters.`;
  } else if (field.maxLength !== undefined && text.length > field.maxLength) {
    return `At most ${field.maxLength} characters.`;
  } else if (field.format === "date-time" && Number.isNaN(new Date(text).getTime())) {
    return "Write a time.";
  }
  return undefined;
}

/** Return what was typed as the API wants it: numbers as numbers, objects as objects, times in UTC, nothing for what was left empty. */
export function sentValues(schema: Schema | null | undefined, values: Values): Values {
  const sent: Values = {};
  for (const [name, field] of Object.entries(schema?.properties ?? {})) {
    const value = values[name];
    if (value === undefined || value === null || value === "") {
      continue;
    }
    if (isNumber(field)) {
      sent[name] = Number(value);
    } else if (field.type === "object") {
      sent[name] = parsed(String(value));
    } else if (field.format === "date-time") {
      sent[name] = new Date(String(value)).toISOString();
    } else {
      sent[name] = value;
    }
  }
  return sent;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isNumber(field: Schema): boolean {
  return field.type === "integer" || field.type === "number";
}
