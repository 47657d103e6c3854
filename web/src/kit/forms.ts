/** What a form made from a JSON Schema asks for, and whether what was typed will do. */

import { readNumber, Written } from "./json";
import { fill, isMapping, placeholders } from "./templates";
import type { Schema } from "./views";

export type Values = Record<string, unknown>;
/** What is wrong, by the place of the value: names and numbers with slashes between, as in a JSON pointer. */
export type Problems = Record<string, string>;

export type Kind =
  | "text"
  | "number"
  | "boolean"
  | "choice"
  | "time"
  | "json"
  /** Several values of a kind that is typed: one a line. */
  | "lines"
  | "list"
  | "record"
  | "union"
  | "file"
  | "folder";

export const NEEDED = "This field is required.";

/** One of several types was chosen, and a value of it was typed. */
export type Chosen = { option: number; value?: unknown };

/** How files are chosen is none of a form's business. */
export type FileRules = {
  sent: (schema: Schema, value: unknown) => unknown;
  problemOf: (schema: Schema, value: unknown) => string | undefined;
};

type Rules = {
  files?: FileRules /** Numbers keep their digits, and JSON its spelling. */;
  isExact?: boolean;
};

/** Return the types that a schema allows beside null. */
export function optionsOf(schema: Schema): Schema[] {
  return (schema.anyOf ?? []).filter((each) => each.type !== "null");
}

/** Return a schema without the null that it may allow. */
export function bare(schema: Schema): Schema {
  const [only, ...others] = optionsOf(schema);
  return only && others.length === 0 ? { ...only, default: schema.default } : schema;
}

export function isNullable(schema: Schema): boolean {
  return schema.type === "null" || (schema.anyOf ?? []).some((each) => each.type === "null");
}

export function kindOf(given: Schema): Kind {
  const schema = bare(given);
  const fileClass = schema.properties?.class?.const;
  if (fileClass === "File" || fileClass === "Directory") {
    return fileClass === "File" ? "file" : "folder";
  }
  if (schema.anyOf) {
    return "union";
  }
  if (schema.enum) {
    return "choice";
  }
  switch (schema.type) {
    case "boolean":
      return "boolean";
    case "integer":
    case "number":
      return "number";
    case "string":
      return schema.format === "date-time" ? "time" : "text";
    case "array":
      return schema.items ? kindOfList(schema.items) : "json";
    case "object":
      return schema.properties ? "record" : "json";
    default:
      return schema.type === undefined ? "json" : "text";
  }
}

function kindOfList(items: Schema): Kind {
  return ["text", "number", "choice"].includes(kindOf(items)) && !isNullable(items) ? "lines" : "list";
}

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

/** Return a form that begins with the values of a row where its defaults name columns: `{help}`; emptied, they are cleared. */
export function prefilled(
  schema: Schema | null | undefined,
  row: Values | undefined,
): Schema | null | undefined {
  const begun = (field: Schema): Schema => {
    if (placeholders(field.default).length === 0) {
      return field;
    }
    const value = fill(field.default, row ?? {});
    return { ...field, default: value, "x-clears": !isEmpty(value) };
  };
  const fields = Object.entries(schema?.properties ?? {}).map(([name, field]) => [name, begun(field)]);
  return schema?.properties ? { ...schema, properties: Object.fromEntries(fields) } : schema;
}

/** Return the place of a part of a value. */
export function placeOf(place: string, name: string | number): string {
  const part = String(name).replaceAll("~", "~0").replaceAll("/", "~1");
  return place === "" ? part : `${place}/${part}`;
}

/** Return what is wrong with each field. */
export function problemsOf(
  schema: Schema | null | undefined,
  values: Values,
  files?: FileRules,
  place = "",
): Problems {
  const problems: Problems = {};
  for (const [name, field] of Object.entries(schema?.properties ?? {})) {
    const isNeeded = Boolean(schema?.required?.includes(name)) && field.default === undefined;
    Object.assign(
      problems,
      problemsIn(field, values[name], { isNeeded, files, place: placeOf(place, name) }),
    );
  }
  return problems;
}

type About = { isNeeded: boolean; files?: FileRules; place: string };

function problemsIn(given: Schema, value: unknown, { isNeeded, files, place }: About): Problems {
  const schema = bare(given);
  const kind = kindOf(given);
  const inside = (more: Partial<About>): About => ({ isNeeded: true, files, place, ...more });
  if (kind === "list" || kind === "lines" || kind === "record") {
    // One that is needed may be empty, and a record asks for what it needs itself.
    if (value === undefined && !isNeeded) {
      return {};
    }
  } else if (isEmpty(value)) {
    return isNeeded ? { [place]: NEEDED } : {};
  }
  switch (kind) {
    case "record":
      return problemsOf(schema, isMapping(value) ? value : {}, files, place);
    case "list":
      return Object.assign(
        {},
        ...listed(value).map((each, index) =>
          problemsIn(
            schema.items ?? {},
            each,
            inside({
              isNeeded: !isNullable(schema.items ?? {}),
              place: placeOf(place, index),
            }),
          ),
        ),
      );
    case "lines": {
      const wrong = linesOf(value).flatMap((line, index) => {
        const problem = problemOf(schema.items ?? {}, line);
        return problem ? [`Line ${index + 1}: ${problem}`] : [];
      });
      return wrong[0] ? { [place]: wrong[0] } : {};
    }
    case "union": {
      const chosen = chosenIn(schema, value);
      return chosen ? problemsIn(chosen.schema, chosen.value, inside({})) : { [place]: "Choose a type." };
    }
    case "file":
    case "folder": {
      const problem = files?.problemOf(schema, value);
      return problem ? { [place]: problem } : {};
    }
    default: {
      const problem = problemOf(schema, value);
      return problem ? { [place]: problem } : {};
    }
  }
}

function problemOf(given: Schema, value: unknown): string | undefined {
  const field = bare(given);
  const text = String(value);
  if (isNumber(field)) {
    return problemOfNumber(field, text);
  }
  if (field.enum && !field.enum.some((each) => String(each) === text)) {
    return `Must be one of: ${field.enum.join(", ")}.`;
  }
  if (field.type === "object" && !isMapping(parsed(text))) {
    return 'Enter a JSON object, such as {"name": 1}.';
  }
  if (kindOf(field) === "json" && parsed(text) === undefined) {
    return 'Write a value in JSON, such as 1, "text" or [1, 2].';
  }
  if (field.minLength !== undefined && text.trim().length < field.minLength) {
    return `At least ${field.minLength} characters.`;
  }
  if (field.maxLength !== undefined && text.length > field.maxLength) {
    return `At most ${field.maxLength} characters.`;
  }
  if (field.format === "date-time" && Number.isNaN(new Date(text).getTime())) {
    return "Enter a time.";
  }
  return undefined;
}

function problemOfNumber(field: Schema, text: string): string | undefined {
  const number = readNumber(text);
  const isWhole = /^[+-]?\d+$/.test(text.trim());
  if (number === undefined || (field.type === "integer" && !isWhole)) {
    return field.type === "integer" ? "Enter a whole number." : "Enter a number.";
  }
  // Beyond 2^53 a number of the browser is no measure.
  const isAbove = (bound: number) =>
    isWhole && Number.isInteger(bound) ? whole(text) > BigInt(bound) : Number(text) > bound;
  const isBelow = (bound: number) =>
    isWhole && Number.isInteger(bound) ? whole(text) < BigInt(bound) : Number(text) < bound;
  if (field.minimum !== undefined && isBelow(field.minimum)) {
    return Number.isSafeInteger(field.minimum)
      ? `At least ${field.minimum}.`
      : "The number does not fit into 64 bits.";
  }
  if (field.maximum !== undefined && isAbove(field.maximum)) {
    return Number.isSafeInteger(field.maximum)
      ? `At most ${field.maximum}.`
      : "The number does not fit into 64 bits.";
  }
  return undefined;
}

function whole(text: string): bigint {
  return BigInt(text.trim().replace(/^\+/, ""));
}

/** Return what was typed as the API wants it: numbers as numbers, objects as objects, times in UTC, nothing for what was left empty. */
export function sentValues(schema: Schema | null | undefined, values: Values, rules: Rules = {}): Values {
  const sent: Values = {};
  for (const [name, field] of Object.entries(schema?.properties ?? {})) {
    const isNeeded = Boolean(schema?.required?.includes(name)) && field.default === undefined;
    const value = sentValue(field, values[name], { ...rules, isNeeded });
    if (value !== undefined) {
      sent[name] = value;
    } else if (field["x-clears"]) {
      sent[name] = null;
    }
  }
  return sent;
}

/** Return one value as the API wants it; nothing for what was left empty. */
export function sentValue(given: Schema, value: unknown, rules: Rules & { isNeeded?: boolean }): unknown {
  const schema = bare(given);
  const kind = kindOf(given);
  const within = { ...rules, isNeeded: true };
  if (value === undefined && ["list", "lines", "record"].includes(kind)) {
    return rules.isNeeded ? (kind === "record" ? sentValues(schema, {}, rules) : []) : undefined;
  }
  if (isEmpty(value) && kind !== "lines") {
    return undefined;
  }
  switch (kind) {
    case "record":
      return sentValues(schema, isMapping(value) ? value : {}, rules);
    case "list":
      return listed(value).map((each) => sentValue(schema.items ?? {}, each, within) ?? null);
    case "lines": {
      const lines = linesOf(value);
      return lines.length > 0 || rules.isNeeded
        ? lines.map((line) => sentValue(schema.items ?? {}, line, within))
        : undefined;
    }
    case "union": {
      const chosen = chosenIn(schema, value);
      return chosen && sentValue(chosen.schema, chosen.value, within);
    }
    case "file":
    case "folder":
      return rules.files?.sent(schema, value);
    case "number":
      return rules.isExact ? readNumber(String(value)) : Number(value);
    case "choice":
      return schema.enum?.find((each) => String(each) === String(value)) ?? value;
    case "time":
      return new Date(String(value)).toISOString();
    case "json":
      return rules.isExact ? new Written(String(value)) : parsed(String(value));
    default:
      return value;
  }
}

/** Return the type that was chosen of several, and what was typed. */
export function chosenIn(given: Schema, value: unknown): { schema: Schema; value: unknown } | undefined {
  const schema = isMapping(value) ? optionsOf(given)[Number(value.option)] : undefined;
  return schema && isMapping(value) ? { schema, value: value.value } : undefined;
}

/** Return the lines of a list that is typed; what is behind the last of them is no line. */
export function linesOf(value: unknown): string[] {
  const lines = Array.isArray(value) ? value.map(String) : String(value ?? "").split("\n");
  return lines.map((line) => line.replace(/\r$/, "")).filter((line) => line.trim() !== "");
}

export function listed(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "string" && value.trim() === "");
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
