/** What every field of a form is given. */

import type { ComponentType } from "react";
import type { Problems } from "./forms";
import type { Schema } from "./views";

export type FieldProps = {
  name: string;
  schema: Schema;
  value: unknown;
  label: string;
  description?: string;
  /** Where the value is in all that is typed. */
  place: string;
  problems: Problems;
  isNeeded: boolean;
  isFirst?: boolean;
  onChange: (value: unknown) => void;
};

/** How files are chosen: one for a field, and many at once for a list. */
export type FileFields = {
  Field: ComponentType<FieldProps>;
  Many: ComponentType<{ label: string; items: Schema; onAdd: (values: unknown[]) => void }>;
};
