/** Fields that have parts: lists, records, and choices between types. */

import { Button, CloseButton, NativeSelect } from "@mantine/core";
import type { ReactNode } from "react";
import { bare, chosenIn, isNullable, type Kind, kindOf, listed, optionsOf, placeOf } from "./forms";
import type { FieldProps, FileFields } from "./schemaFields";
import type { Schema } from "./views";

type Part = (props: Omit<FieldProps, "label" | "description" | "problems">) => ReactNode;

/** A frame around the parts of a value, which may be left out where it is not needed. */
function Frame({
  label,
  description,
  place,
  problems,
  isNeeded,
  isGiven,
  onGive,
  onTake,
  children,
}: Pick<FieldProps, "label" | "description" | "place" | "problems" | "isNeeded"> & {
  isGiven: boolean;
  onGive: () => void;
  onTake: () => void;
  children: ReactNode;
}) {
  return (
    <fieldset className="frame" data-place={place}>
      <legend>
        {label}
        {isNeeded && <span aria-hidden> *</span>}
      </legend>
      {description && <p className="faint">{description}</p>}
      {isGiven && children}
      {problems[place] && (
        <p className="field-error" role="alert">
          {problems[place]}
        </p>
      )}
      {!isNeeded && (
        <Button
          size="compact-xs"
          variant="default"
          aria-label={`${isGiven ? "Leave it out" : "Give a value"}: ${label}`}
          onClick={isGiven ? onTake : onGive}
        >
          {isGiven ? "Leave it out" : "Give a value"}
        </Button>
      )}
    </fieldset>
  );
}

function needed({ schema, isNeeded }: FieldProps): boolean {
  return isNeeded && bare(schema).default === undefined;
}

export function RecordField({ children, ...props }: FieldProps & { children: ReactNode }) {
  const isNeeded = needed(props);
  return (
    <Frame
      {...props}
      isNeeded={isNeeded}
      isGiven={isNeeded || props.value !== undefined}
      onGive={() => props.onChange({})}
      onTake={() => props.onChange(undefined)}
    >
      {children}
    </Frame>
  );
}

export function ListField({ part, Many, ...props }: FieldProps & { part: Part; Many?: FileFields["Many"] }) {
  const { name, schema, place, value, label, onChange } = props;
  const isNeeded = needed(props);
  const items = bare(schema).items ?? {};
  const values = listed(value);
  return (
    <Frame
      {...props}
      isNeeded={isNeeded}
      isGiven={isNeeded || value !== undefined}
      onGive={() => onChange([undefined])}
      onTake={() => onChange(undefined)}
    >
      {values.map((each, index) => (
        <div className="frame-item" key={index}>
          {part({
            name: `${name} ${index + 1}`,
            schema: items,
            value: each,
            place: placeOf(place, index),
            isNeeded: !isNullable(items),
            onChange: (changed) => onChange(values.map((old, at) => (at === index ? changed : old))),
          })}
          <CloseButton
            size="sm"
            aria-label={`Remove ${label} ${index + 1}`}
            onClick={() => onChange(values.filter((_, at) => at !== index))}
          />
        </div>
      ))}
      <div className="head">
        {Many && kindOf(items) === "file" && (
          <Many
            label={label}
            items={items}
            onAdd={(more) => onChange([...values.filter((each) => each !== undefined), ...more])}
          />
        )}
        <Button
          size="compact-xs"
          variant="default"
          aria-label={`Add to ${label}`}
          onClick={() => onChange([...values, undefined])}
        >
          Add
        </Button>
      </div>
    </Frame>
  );
}

export function UnionField({ part, ...props }: FieldProps & { part: Part }) {
  const { name, schema, place, value, isNeeded, problems, label, description, onChange } = props;
  const options = optionsOf(schema);
  const chosen = chosenIn(schema, value);
  const at = chosen ? options.indexOf(chosen.schema) : -1;
  const isHere = problems[place] !== undefined && (!chosen || chosen.value === undefined);
  return (
    <fieldset className="frame" data-place={place}>
      <legend>
        {label}
        {needed(props) && <span aria-hidden> *</span>}
      </legend>
      <NativeSelect
        aria-label={`Type of ${label}`}
        description={description}
        error={isHere ? problems[place] : undefined}
        value={at < 0 ? "" : String(at)}
        data={[
          { value: "", label: isNeeded ? "Choose a type" : "Nothing" },
          ...options.map((option, index) => ({ value: String(index), label: typeOf(option) })),
        ]}
        onChange={({ target }) =>
          onChange(target.value === "" ? undefined : { option: Number(target.value), value: undefined })
        }
      />
      {chosen &&
        part({
          name,
          schema: chosen.schema,
          value: chosen.value,
          place,
          isNeeded: true,
          onChange: (changed) => onChange({ option: at, value: changed }),
        })}
    </fieldset>
  );
}

const KIND_NAMES: Partial<Record<Kind, string>> = {
  text: "string",
  lines: "list",
  json: "any value",
  folder: "Directory",
  file: "File",
};

function typeOf(schema: Schema): string {
  const kind = kindOf(schema);
  const plain = schema.type === "integer" ? "int" : (KIND_NAMES[kind] ?? kind);
  return schema["x-cwl-type"] ?? schema.title ?? plain;
}
