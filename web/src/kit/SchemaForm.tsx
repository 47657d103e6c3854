/** The fields of a JSON Schema: a field for each value, and for those that have parts a frame with theirs. */

import { Checkbox, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { bare, isNullable, kindOf, linesOf, type Problems, placeOf, type Values } from "./forms";
import { ListField, RecordField, UnionField } from "./SchemaFrames";
import type { FieldProps, FileFields } from "./schemaFields";
import { TimeField } from "./TimeField";
import type { Schema } from "./views";
import "./written.css";

type Props = {
  schema: Schema;
  values: Values;
  problems: Problems;
  onChange: (values: Values) => void;
  /** Without them a form has no files. */
  files?: FileFields;
  /** Calls fields by their names, which commands and documents know, and says their types. */
  showsNames?: boolean;
};

export function SchemaForm({ schema, values, problems, onChange, ...more }: Props) {
  return (
    <div className="form">
      <Fields {...{ schema, values, problems, onChange, ...more }} place="" isFirst />
    </div>
  );
}

type FieldsProps = Props & { place: string; isFirst?: boolean };

function Fields({ schema, values, problems, onChange, place, isFirst, ...more }: FieldsProps) {
  return Object.entries(schema.properties ?? {}).map(([name, field], index) => (
    <Field
      key={name}
      {...more}
      name={name}
      schema={field}
      value={values[name]}
      place={placeOf(place, name)}
      problems={problems}
      isNeeded={Boolean(schema.required?.includes(name))}
      isFirst={isFirst && index === 0}
      onChange={(value) => onChange({ ...values, [name]: value })}
    />
  ));
}

type Own = Pick<Props, "files" | "showsNames"> & Omit<FieldProps, "label" | "description">;

function Field({ files, showsNames, ...given }: Own) {
  const { schema, name, value, place, problems, isNeeded, isFirst, onChange } = given;
  const more = { files, showsNames };
  const field = bare(schema);
  const label = showsNames ? name : (field.title ?? name);
  const description = showsNames ? aboutOf(schema, isNeeded) : field.description;
  const props: FieldProps = { ...given, label, description };
  const part = (own: Omit<Own, "problems">) => <Field {...more} problems={problems} {...own} />;
  switch (kindOf(schema)) {
    case "file":
    case "folder":
      return files ? <files.Field {...props} /> : null;
    case "record":
      return (
        <RecordField {...props}>
          <Fields
            {...{ schema: field, problems, place, ...more }}
            values={(value ?? {}) as Values}
            onChange={onChange}
          />
        </RecordField>
      );
    case "list":
      return <ListField {...props} part={part} Many={files?.Many} />;
    case "union":
      return <UnionField {...props} part={part} />;
    default:
      return <Simple {...{ ...props, isFirst }} />;
  }
}

/** Return what a field asks for, beside its name: its type, what stands for nothing, and what its author says. */
function aboutOf(schema: Schema, isNeeded: boolean): string {
  const field = bare(schema);
  const type = field["x-cwl-type"] ?? field.type ?? "";
  const standIn =
    field.default !== undefined && field.default !== null
      ? `default ${textOf(field.default)}`
      : isNeeded
        ? ""
        : "may be left out";
  return [type, standIn, schema.title ?? field.title, schema.description ?? field.description]
    .filter(Boolean)
    .join(" · ");
}

function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function Simple({
  schema,
  name,
  value,
  label,
  description,
  place,
  problems,
  isNeeded,
  isFirst,
  onChange,
}: FieldProps) {
  const field = bare(schema);
  const kind = kindOf(schema);
  const common = {
    label,
    description,
    error: problems[place],
    withAsterisk: isNeeded && field.default === undefined,
    "data-autofocus": isFirst || undefined,
    "data-place": place,
    name,
  };
  const shown = value ?? field.default;
  if (kind === "boolean" && !isNullable(schema) && !(isNeeded && field.default === undefined)) {
    return (
      <Checkbox
        size="xs"
        label={label}
        description={description}
        checked={Boolean(shown)}
        onChange={(event) => onChange(event.target.checked)}
      />
    );
  }
  if (kind === "boolean") {
    const choices = ["", "true", "false"].map((each) => ({ value: each, label: each }));
    return (
      <NativeSelect
        {...common}
        value={String(shown ?? "")}
        data={choices}
        onChange={({ target }) => onChange(target.value === "" ? undefined : target.value === "true")}
      />
    );
  }
  if (kind === "choice") {
    const own = (field.enum ?? []).map((each, at) => ({
      value: String(each),
      label: field["x-labels"]?.[at] ?? String(each),
    }));
    const isClosed = isNeeded && shown !== undefined;
    const data = [
      ...(isClosed || own.some((each) => each.value === "") ? [] : [{ value: "", label: "" }]),
      ...own,
    ];
    return (
      <NativeSelect
        {...common}
        value={String(shown ?? "")}
        data={data}
        onChange={(event) => onChange(event.target.value)}
      />
    );
  }
  if (kind === "lines" || (kind === "json" && field.type !== "object")) {
    const text =
      kind === "lines" && shown !== undefined && typeof shown !== "string"
        ? linesOf(shown).join("\n")
        : shown;
    return (
      <Textarea
        {...common}
        placeholder={kind === "lines" ? "one a line" : "JSON"}
        autosize
        minRows={kind === "lines" ? 2 : 1}
        maxRows={12}
        value={String(text ?? "")}
        onChange={(event) => onChange(event.target.value)}
      />
    );
  }
  if (kind === "time") {
    return <TimeField {...common} value={String(shown ?? "")} onChange={onChange} />;
  }
  const type = kind === "number" && !isLarge(field) ? "number" : "text";
  return (
    <TextInput
      {...common}
      type={type}
      step={type === "number" && field.type === "number" ? "any" : undefined}
      inputMode={kind === "number" ? "decimal" : undefined}
      value={String(shown ?? "")}
      maxLength={field.maxLength}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

/** Fields for numbers round integers of 64 bits, and forget how a number was spelled. */
function isLarge(field: Schema): boolean {
  return field["x-cwl-type"] !== undefined || !Number.isSafeInteger(field.maximum ?? 0);
}
