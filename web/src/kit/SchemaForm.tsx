/** The fields of a JSON Schema. */

import { Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { isNumber, type Values } from "./forms";
import type { Schema } from "./views";

type Props = {
  schema: Schema;
  values: Values;
  problems: Record<string, string>;
  onChange: (values: Values) => void;
};

export function SchemaForm({ schema, values, problems, onChange }: Props) {
  const set = (name: string, value: unknown) => onChange({ ...values, [name]: value });
  return (
    <div className="form">
      {Object.entries(schema.properties ?? {}).map(([name, field], index) => {
        const common = {
          label: field.title ?? name,
          description: field.description,
          error: problems[name],
          withAsterisk: schema.required?.includes(name),
          "data-autofocus": index === 0 || undefined,
        };
        if (field.type === "boolean") {
          return (
            <Checkbox
              key={name}
              size="xs"
              label={common.label}
              description={common.description}
              checked={Boolean(values[name])}
              onChange={(event) => set(name, event.target.checked)}
            />
          );
        }
        const value = String(values[name] ?? "");
        if (field.enum) {
          const own = field.enum.map((each, at) => ({
            value: String(each),
            label: field["x-labels"]?.[at] ?? String(each),
          }));
          const isOpen = schema.required?.includes(name) || own.some((each) => each.value === "");
          const data = [...(isOpen ? [] : [{ value: "", label: "" }]), ...own];
          return (
            <NativeSelect
              key={name}
              {...common}
              value={value}
              data={data}
              onChange={(event) => set(name, event.target.value)}
            />
          );
        }
        const type = field.format === "date-time" ? "datetime-local" : isNumber(field) ? "number" : "text";
        return (
          <TextInput
            key={name}
            {...common}
            type={type}
            value={value}
            maxLength={field.maxLength}
            onChange={(event) => set(name, event.target.value)}
          />
        );
      })}
    </div>
  );
}
