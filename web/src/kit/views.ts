/** The descriptions of views, as the server serves them: see `weyl/kit/views.py`, where every field is explained. */

import type { Operator } from "./filters";

export type Tone = "neutral" | "info" | "progress" | "success" | "warning" | "danger";

export type ApiCall = {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  query?: Record<string, unknown>;
  body?: unknown;
  under?: string | null;
  paging?: "none" | "page";
  filters?: boolean;
};

export type DeclaredCondition = {
  parameter: string;
  operator: Operator;
  value?: string | number | null;
  values?: string[] | number[] | null;
};

export type Status = { value: string; tone: Tone; icon: string; terminal?: boolean; help?: string };

export type Column = {
  name: string;
  title: string;
  type?: string;
  format?: string | null;
  unit?: string | null;
  width?: number | null;
  align?: "left" | "right" | "center" | null;
  sortable?: boolean;
  filterable?: boolean;
  operators?: Operator[];
  values?: string[] | ApiCall | null;
  link?: string | null;
  help?: string;
  expensive?: boolean;
};

export type Action = {
  name: string;
  title: string;
  icon?: string | null;
  call: ApiCall;
  plan?: ApiCall | null;
  needs?: string[];
  bulk?: "none" | "ids" | "filter";
  destructive?: boolean;
  undo_s?: number | null;
  fields?: Schema | null;
  when?: string[];
  cli?: string | null;
  view?: boolean;
  help?: string;
};

export type Schema = {
  type?: string;
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: (string | number)[];
  format?: string;
  default?: unknown;
  items?: Schema;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
};

export type Tab = {
  name: string;
  title: string;
  kind: string;
  call?: ApiCall | null;
  columns?: Column[];
  view?: string | null;
  filter?: DeclaredCondition[];
  file?: ApiCall | null;
  stream?: boolean;
  needs?: string[];
  when?: string[];
  module?: string | null;
};

export type View = {
  name: string;
  title: string;
  icon: string;
  nav_group: string;
  nav_order?: number;
  id_column: string;
  search: ApiCall;
  summary?: ApiCall | null;
  count?: ApiCall | null;
  get?: ApiCall | null;
  columns: Column[];
  default_columns: string[];
  default_sort?: { parameter: string; direction?: "asc" | "desc" }[];
  default_filter?: DeclaredCondition[];
  groupings?: string[];
  time_column?: string | null;
  status_column?: string | null;
  statuses?: Status[];
  actions?: Action[];
  tabs?: Tab[];
  events_topic?: string | null;
  needs?: string[];
  cli?: string | null;
  doc?: string;
};
