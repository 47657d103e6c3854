/** Makes or changes one condition: a column, how it is compared, and with what; values come with their counts. */

import { Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type Condition, literal, type Operator, takesList, valuesTaken } from "@/kit/filters";
import { formatNumber } from "@/kit/formats";
import { operatorsOf, operatorWords, SPANS } from "@/kit/operators";
import type { Column } from "@/kit/views";
import type { Given } from "./given";
import { useValues } from "./useValues";

type Props = Given & { condition?: Condition; onDone: (condition: Condition | undefined) => void };

const SHOWN_MAX = 50;

export default function ConditionEditor(props: Props) {
  const { view, condition, onDone } = props;
  const columns = view.columns.filter((column) => column.filterable !== false);
  const [name, setName] = useState(
    condition?.parameter ?? props.view.status_column ?? columns[0]?.name ?? "",
  );
  const column = columns.find((each) => each.name === name);
  const operators = operatorsOf(column);
  const [operator, setOperator] = useState<Operator>(condition?.operator ?? preferred(column));
  const [chosen, setChosen] = useState<string[]>(condition?.values.map((word) => word.text) ?? []);
  const known = operators.includes(operator) ? operator : (operators[0] ?? "eq");
  const isList = takesList(known);
  const taken = valuesTaken(known) ?? 0;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const given = isList ? chosen : chosen.slice(0, taken);
    if (!column || (!isList && given.filter(Boolean).length < taken)) {
      return;
    }
    const values = given.map((text) =>
      known === "eq" || known === "neq" || column.type === "time" ? { text, quoted: false } : literal(text),
    );
    onDone({ parameter: column.name, operator: known, values });
  };
  return (
    <form className="condition" onSubmit={submit}>
      <NativeSelect
        size="xs"
        label="Column"
        value={name}
        data={columns.map((each) => ({ value: each.name, label: each.title }))}
        onChange={(event) => {
          const next = columns.find((each) => each.name === event.target.value);
          setName(event.target.value);
          setOperator(preferred(next));
          setChosen([]);
        }}
      />
      <NativeSelect
        size="xs"
        label="Comparison"
        value={known}
        data={operators.map((each) => ({
          value: each,
          label: operatorWords(each, column),
        }))}
        onChange={(event) => setOperator(event.target.value as Operator)}
      />
      {column && isList && <Values {...props} column={column} chosen={chosen} onChoose={setChosen} />}
      {column && !isList && taken > 0 && (
        <>
          <TextInput
            size="xs"
            label={labelOf(column, known)}
            value={chosen[0] ?? ""}
            onChange={(event) => setChosen([event.target.value, ...chosen.slice(1)])}
            data-autofocus
          />
          {taken === 2 && (
            <TextInput
              size="xs"
              label="To"
              value={chosen[1] ?? ""}
              onChange={(event) => setChosen([chosen[0] ?? "", event.target.value])}
            />
          )}
          {column.type === "time" && taken === 1 && (
            <div className="spans">
              {SPANS.map((span) => (
                <Button
                  key={span}
                  size="compact-xs"
                  variant={chosen[0] === span ? "filled" : "default"}
                  onClick={() => setChosen([span])}
                >
                  {span}
                </Button>
              ))}
            </div>
          )}
        </>
      )}
      {column?.help && <p className="faint">{column.help}</p>}
      <Button type="submit" size="compact-sm">
        {condition ? "Change" : "Add"}
      </Button>
    </form>
  );
}

function labelOf(column: Column, operator: Operator): string {
  if (operator === "between") {
    return "From";
  }
  if (operator === "under") {
    return "Directory";
  }
  const hasPattern = operator === "eq" || operator === "neq";
  return column.type === "time"
    ? "Time (-2d, or 2026-11-30 12:00)"
    : `Value${hasPattern ? " (* matches anything)" : ""}`;
}

function preferred(column: Column | undefined): Operator {
  const operators = operatorsOf(column);
  const wanted: Operator = column?.type === "time" ? "gt" : column?.values ? "in" : "eq";
  return operators.includes(wanted) ? wanted : (operators[0] ?? "eq");
}

/** The most frequent values of a column, and those that what is typed leads to; never all of them. */
function Values({
  view,
  me,
  asked,
  conditions,
  column,
  chosen,
  onChoose,
}: Props & {
  column: Column;
  chosen: string[];
  onChoose: (values: string[]) => void;
}) {
  const [typed, setTyped] = useState("");
  const { counted, isFetching, isError } = useValues({ view, me, asked, conditions, column, typed });
  const seen = new Set(counted.map(({ value }) => value));
  const fixed = (Array.isArray(column.values) ? column.values.map(String) : []).filter(
    (value) => !seen.has(value),
  );
  const offered = [...counted, ...fixed.map((value) => ({ value, count: -1 }))].filter(({ value }) =>
    value.toLowerCase().includes(typed.toLowerCase()),
  );
  const values = [
    ...chosen
      .filter((value) => !offered.some((each) => each.value === value))
      .map((value) => ({ value, count: -1 })),
    ...offered,
  ].slice(0, SHOWN_MAX);
  const toggle = (value: string) =>
    onChoose(chosen.includes(value) ? chosen.filter((each) => each !== value) : [...chosen, value]);
  return (
    <>
      <TextInput
        size="xs"
        label="Values"
        placeholder="Type to find more"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && typed.trim() !== "") {
            event.preventDefault();
            const first = offered[0]?.value ?? typed.trim();
            toggle(first);
            setTyped("");
          }
        }}
        data-autofocus
      />
      <div className="values" aria-busy={isFetching}>
        {values.map(({ value, count }) => (
          <Checkbox
            key={value}
            size="xs"
            checked={chosen.includes(value)}
            onChange={() => toggle(value)}
            label={
              <>
                {value || <i>none</i>}{" "}
                {count >= 0 && <span className="faint number">{formatNumber(count)}</span>}
              </>
            }
          />
        ))}
        {values.length === 0 && (
          <p className="faint">
            {isError ? "The values could not be loaded." : "Press Enter to take what you typed."}
          </p>
        )}
      </div>
    </>
  );
}
