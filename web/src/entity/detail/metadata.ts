/** Named values that somebody may set: what an answer says of each, and the form that asks for another value. */

import type { Row } from "@/kit/api";
import { isMapping } from "@/kit/templates";
import { type Column, plainColumn, type Schema } from "@/kit/views";

export type Field = {
  name: string;
  type: string;
  unit?: string;
  values?: string[];
  help: string;
  /** None: there is none, neither its own nor one from above. */
  value?: unknown;
  /** Where the value comes from, if it is not its own. */
  from?: string;
  isOwn: boolean;
};

export type Metadata = { fields: Field[]; mayEdit: boolean };

/** Numbers of a browser are exact up to here. */
const WHOLE_MAX = Number.MAX_SAFE_INTEGER;

export function metadataOf(content: unknown): Metadata {
  if (!isMapping(content) || !Array.isArray(content.fields)) {
    return { fields: [], mayEdit: false };
  }
  return { fields: content.fields.filter(isMapping).map(fieldOf), mayEdit: content.may_edit === true };
}

function fieldOf(told: Row): Field {
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  return {
    name: String(told.name),
    type: text(told.type) ?? "text",
    unit: text(told.unit),
    values: Array.isArray(told.values) && told.values.length > 0 ? told.values.map(String) : undefined,
    help: text(told.help) ?? "",
    value: told.value ?? undefined,
    from: told.is_own === true ? undefined : text(told.from),
    isOwn: told.is_own === true,
  };
}

/** Return the column that shows the value of a field. */
export function columnOf(field: Field): Column {
  const types: Record<string, Column["type"]> = { int: "int", float: "float", bool: "bool", time: "time" };
  return { ...plainColumn("value", types[field.type] ?? "text"), unit: field.unit };
}

/** Return the form that asks for a value of a field. */
export function schemaOf(field: Field): Schema {
  return { type: "object", properties: { value: valueSchema(field) }, required: ["value"] };
}

function valueSchema({ name, type, unit, values, help }: Field): Schema {
  const about = { title: unit ? `${name} (${unit})` : name, description: help || undefined };
  switch (type) {
    case "int":
      return { ...about, type: "integer", minimum: -WHOLE_MAX, maximum: WHOLE_MAX };
    case "float":
      return { ...about, type: "number" };
    case "bool":
      return { ...about, type: "boolean" };
    case "time":
      return { ...about, type: "string", format: "date-time" };
    case "date":
      return { ...about, type: "string", description: help || "Such as 2026-11-27" };
    default:
      return { ...about, type: "string", enum: values };
  }
}

/** Return a value as a form takes it. */
export function typedOf(field: Field): unknown {
  if (field.type === "time" && typeof field.value === "string") {
    const moment = new Date(field.value);
    const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
    return Number.isNaN(local.getTime()) ? undefined : local.toISOString().slice(0, 19);
  }
  return field.value;
}
