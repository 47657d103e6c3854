/** How many jobs are made of one workflow: one, a range of numbers, or one for each of several values. */

import { Checkbox, NativeSelect, SegmentedControl, TextInput } from "@mantine/core";
import type { Problems } from "@/kit/forms";
import { SchemaForm } from "@/kit/SchemaForm";
import type { Schema } from "@/kit/views";
import { type Expansion, jobsText, type Method, type Mode, rangeable, split } from "./expansion";
import { FILE_FIELDS } from "./FileField";

type Props = {
  schema: Schema;
  expansion: Expansion;
  problems: Problems;
  onChange: (changes: Partial<Expansion>) => void;
};

export function ExpansionForm({ schema, expansion, problems, onChange }: Props) {
  const numbers = rangeable(schema);
  const hasInputs = Object.keys(schema.properties ?? {}).length > 0;
  const begin = (mode: Mode) => {
    const [param = ""] = numbers;
    onChange({
      mode,
      ...(mode === "range" &&
        !numbers.includes(expansion.range.param) && { range: { ...expansion.range, param } }),
    });
  };
  return (
    <section className="stack" aria-labelledby="jobs-of-it">
      <div className="head">
        <h2 id="jobs-of-it">Jobs</h2>
        <SegmentedControl
          size="xs"
          aria-label="How many jobs"
          data={[
            { value: "one", label: "One job" },
            { value: "range", label: "Range", disabled: numbers.length === 0 },
            { value: "scatter", label: "Scatter", disabled: !hasInputs },
          ]}
          value={expansion.mode}
          onChange={(mode) => begin(mode as Mode)}
        />
        <span className="faint" aria-live="polite">
          {expansion.mode !== "one" && jobsText(schema, expansion)}
        </span>
      </div>
      {expansion.mode === "range" && <RangeFields {...{ numbers, expansion, problems, onChange }} />}
      {expansion.mode === "scatter" && <ScatterFields {...{ schema, expansion, problems, onChange }} />}
    </section>
  );
}

type RangeProps = Omit<Props, "schema"> & { numbers: readonly string[] };

function RangeFields({ numbers, expansion: { range }, problems, onChange }: RangeProps) {
  const set = (changes: Partial<Expansion["range"]>) => onChange({ range: { ...range, ...changes } });
  const field = (name: "start" | "end" | "step", label: string, description: string) => (
    <TextInput
      size="xs"
      label={label}
      description={description}
      inputMode="numeric"
      error={problems[`?range/${name}`]}
      data-place={`?range/${name}`}
      value={range[name]}
      onChange={({ target }) => set({ [name]: target.value })}
    />
  );
  return (
    <div className="range-fields">
      <NativeSelect
        size="xs"
        label="Input"
        description="that differs"
        error={problems["?range/param"]}
        data-place="?range/param"
        value={range.param}
        data={[...numbers]}
        onChange={({ target }) => set({ param: target.value })}
      />
      {field("start", "From", "the first number")}
      {field("end", "To", "not with it")}
      {field("step", "Step", "may be negative")}
    </div>
  );
}

function ScatterFields({ schema, expansion, problems, onChange }: Props) {
  const { varied } = split(schema, expansion);
  const names = Object.keys(schema.properties ?? {});
  const chosen = Object.keys(varied.properties ?? {});
  return (
    <>
      <fieldset className="frame" data-place="?scatter">
        <legend>Inputs to scatter</legend>
        <div className="head">
          {names.map((name) => (
            <Checkbox
              key={name}
              size="xs"
              label={name}
              checked={chosen.includes(name)}
              onChange={({ target }) => {
                const { [name]: _, ...others } = expansion.scatter;
                onChange({ scatter: target.checked ? { ...others, [name]: undefined } : others });
              }}
            />
          ))}
        </div>
        {problems["?scatter"] && (
          <p className="field-error" role="alert">
            {problems["?scatter"]}
          </p>
        )}
        {chosen.length > 1 && (
          <NativeSelect
            size="xs"
            label="Scatter method"
            value={expansion.method}
            data={[
              { value: "dotproduct", label: "together: the first of each, the second of each …" },
              { value: "flat_crossproduct", label: "each with each" },
            ]}
            onChange={({ target }) => onChange({ method: target.value as Method })}
          />
        )}
      </fieldset>
      <SchemaForm
        schema={varied}
        values={expansion.scatter}
        problems={problems}
        files={FILE_FIELDS}
        showsNames
        onChange={(scatter) => onChange({ scatter })}
      />
    </>
  );
}
