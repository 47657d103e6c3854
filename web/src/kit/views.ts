/** The descriptions of views, as the server serves them: see `weyl/kit/views.py`, where every field is explained. */

import type { components } from "@/generated/api";

type Schemas = components["schemas"];

export type View = Schemas["View"];
export type ApiCall = Schemas["ApiCall"];
export type DeclaredCondition = Schemas["Condition"];
export type Status = Schemas["Status"];
export type Column = Schemas["Column"];
export type Action = Schemas["Action"];
export type Tab = Schemas["Tab"];

/** What of JSON Schema forms are made from: those of actions, and those of the inputs of workflows. */
export type Schema = {
  type?: string;
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: (string | number)[];
  const?: unknown;
  /** What people read in place of each of the values. */
  "x-labels"?: string[];
  format?: string;
  default?: unknown;
  items?: Schema;
  /** One of these; `null` among them: it may be left out. */
  anyOf?: Schema[];
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  /** It had a value before: left empty, it is cleared, and sent as null. */
  "x-clears"?: boolean;
  /** The type as CWL writes it. */
  "x-cwl-type"?: string;
  /** The names of the files that belong to a file, made from its own. */
  "x-cwl-secondaryFiles"?: { pattern: string; required?: unknown }[];
};

/** Return a column for what no view declares: a name in an answer, and what kind of value it seems to be. */
export function plainColumn(name: string, type: Column["type"] = "text"): Column {
  return {
    name,
    title: name,
    type,
    sortable: true,
    filterable: true,
    operators: [],
    help: "",
    expensive: false,
    shown: true,
  };
}

/** The tab of a view that declares none: the entity as it is. */
export const OVERVIEW: Tab = {
  name: "overview",
  title: "Overview",
  kind: "fields",
  columns: [],
  filter: [],
  needs: [],
  statuses: [],
  stream: false,
  when: [],
};
