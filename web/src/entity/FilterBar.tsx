/** The filter of a list: its conditions as parts that can be changed, and a field that takes the filter language. */

import { ActionIcon, Button, Popover } from "@mantine/core";
import { IconAdjustmentsHorizontal, IconFilter, IconX } from "@tabler/icons-react";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { refusalOf } from "@/kit/api";
import { type Condition, FilterFault, render, renderCondition } from "@/kit/filters";
import { atNode, beginsAtHome, nodeOf } from "@/kit/listing";
import { Misspelt, readable, readFilter } from "@/kit/meaning";
import { Waiting } from "@/kit/Panel";
import { changePreferences, choiceWith, usePreferences } from "@/kit/preferences";
import type { View } from "@/kit/views";
import { FilterField } from "./FilterField";
import type { Given } from "./given";

const ConditionEditor = lazy(() => import("./ConditionEditor"));
const SHOWN_CHARACTERS_MAX = 60;

/** `instead`: a filter that was probably meant. */
type Problem = { text: string; at?: FilterFault; instead?: string };

export function FilterBar(props: Given & { refused?: unknown }) {
  const { view, conditions, change, state, refused } = props;
  const preferences = usePreferences();
  const [typed, setTyped] = useState("");
  const [isWhole, setWhole] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const field = useRef<HTMLInputElement>(null);
  const [editing, setEditing] = useState<number>();

  // biome-ignore lint/correctness/useExhaustiveDependencies: another filter is another text.
  useEffect(() => {
    setTyped(isWhole ? render(conditions) : "");
    setProblem(undefined);
  }, [render(conditions), isWhole]);

  // What only the server knows to be wrong is said where the filter is, not where the rows would be.
  const refusal = refusalOf(refused)?.message;
  const fault: Problem | undefined = problem ?? (refusal === undefined ? undefined : { text: refusal });

  const set = (next: Condition[]) => change({ conditions: next });
  /** Which of the two a list begins with is remembered. */
  const begin = (wantsAll: boolean) => {
    changePreferences({ all: choiceWith(preferences.all, view.name, wantsAll || undefined) });
    change({ conditions: wantsAll ? [] : undefined });
  };
  const submit = (written: string) => {
    const text = written.trim();
    if (text === "") {
      if (isWhole) {
        set([]);
      }
      return;
    }
    try {
      const found = readFilter(text, view);
      const before = nodeOf(found) ? atNode(view, conditions) : conditions;
      set(isWhole ? found : [...before, ...found]);
    } catch (error) {
      if (!(error instanceof FilterFault)) {
        const instead = error instanceof Misspelt ? error.instead : undefined;
        setProblem({ text: String((error as Error).message), instead });
        return;
      }
      const instead = readable(text, error, view);
      setProblem({ text: `Cannot read this: ${error.message}`, at: error, instead });
      const start = written.length - written.trimStart().length + error.at;
      field.current?.setSelectionRange(start, start + wordAt(error).length);
    }
  };
  /** Take what was probably meant. */
  const correct = (text: string) => {
    setTyped(text);
    submit(text);
    field.current?.focus();
  };
  const put = (index: number, condition: Condition | undefined) => {
    setEditing(undefined);
    if (condition) {
      set(
        index < conditions.length
          ? conditions.map((each, i) => (i === index ? condition : each))
          : [...conditions, condition],
      );
    }
  };
  return (
    <div className="filter">
      <IconFilter size={16} className="faint" aria-hidden />
      {!isWhole &&
        conditions.map((condition, index) => (
          <Popover
            key={`${index}.${condition.parameter}`}
            opened={editing === index}
            onChange={(isOpen) => setEditing(isOpen ? index : undefined)}
            position="bottom-start"
            trapFocus
            withinPortal
          >
            <span className="chip">
              <Popover.Target>
                <button type="button" onClick={() => setEditing(index)} title={renderCondition(condition)}>
                  {shorten(described(condition, view))}
                </button>
              </Popover.Target>
              <button
                type="button"
                aria-label={`Remove ${renderCondition(condition)}`}
                onClick={() => set(conditions.filter((_, i) => i !== index))}
              >
                <IconX size={13} />
              </button>
            </span>
            <Popover.Dropdown>
              <Suspense fallback={<Waiting />}>
                {editing === index && (
                  <ConditionEditor {...props} condition={condition} onDone={(next) => put(index, next)} />
                )}
              </Suspense>
            </Popover.Dropdown>
          </Popover>
        ))}
      <FilterField
        {...props}
        field={field}
        typed={typed}
        placeholder={isWhole || conditions.length === 0 ? exampleOf(view) : "and…"}
        faultId={fault ? "filter-fault" : undefined}
        onType={(text) => {
          setTyped(text);
          setProblem(undefined);
        }}
        onSubmit={() => submit(typed)}
        onBack={() => conditions.length > 0 && set(conditions.slice(0, -1))}
      />
      <Popover
        opened={editing === conditions.length}
        onChange={(isOpen) => setEditing(isOpen ? conditions.length : undefined)}
        position="bottom-end"
        trapFocus
        withinPortal
      >
        <Popover.Target>
          <Button size="compact-xs" variant="default" onClick={() => setEditing(conditions.length)}>
            Add
          </Button>
        </Popover.Target>
        <Popover.Dropdown>
          <Suspense fallback={<Waiting />}>
            {editing === conditions.length && (
              <ConditionEditor {...props} onDone={(next) => put(conditions.length, next)} />
            )}
          </Suspense>
        </Popover.Dropdown>
      </Popover>
      <ActionIcon
        title={isWhole ? "Show the parts" : "Write the filter as text"}
        size="sm"
        variant={isWhole ? "light" : "subtle"}
        color="gray"
        aria-label="Write the filter as text"
        aria-pressed={isWhole}
        onClick={() => setWhole(!isWhole)}
      >
        <IconAdjustmentsHorizontal size={16} />
      </ActionIcon>
      {view.default_filter && view.default_filter.length > 0 && (
        <span className="either">
          <button
            type="button"
            aria-pressed={state.conditions === undefined && conditions.length > 0}
            onClick={() => begin(false)}
          >
            {isMine(view) ? "Mine" : beginsAtHome(view) ? "Home" : "Usual"}
          </button>
          <button type="button" aria-pressed={conditions.length === 0} onClick={() => begin(true)}>
            All
          </button>
        </span>
      )}
      {fault && (
        <p className="filter-fault" id="filter-fault" role="alert">
          {fault.text}
          {fault.instead !== undefined && (
            <button type="button" className="as-link" onClick={() => correct(fault.instead ?? "")}>
              Use <code>{fault.instead}</code>
            </button>
          )}
          {fault.at && <Place fault={fault.at} />}
        </p>
      )}
    </div>
  );
}

/** The text with the word that is wrong marked, or the place where one is missing. */
function Place({ fault }: { fault: FilterFault }) {
  const word = wordAt(fault);
  return (
    <code className="filter-place">
      {fault.text.slice(0, fault.at)}
      <mark>{word || "…"}</mark>
      {fault.text.slice(fault.at + word.length)}
    </code>
  );
}

function wordAt({ text, at }: FilterFault): string {
  return /^(?:[^\s,()]+|\S)/.exec(text.slice(at))?.[0] ?? "";
}

/** An example of the language, in words of this list. */
function exampleOf(view: View): string {
  const text = view.columns.find(
    (column) => (column.type ?? "text") === "text" && column.filterable !== false,
  );
  const values = view.statuses?.slice(-4, -2).map((status) => status.value) ?? [];
  const parts = [
    ...(view.status_column && values.length > 1 ? [`${view.status_column} in (${values.join(", ")})`] : []),
    ...(text ? [`${text.name} = abc*`] : []),
  ];
  const example = parts.join(" and ");
  return view.tree_column ? `under /…: ${example}` : example || "Filter";
}

function isMine(view: View): boolean {
  return view.default_filter?.some((condition) => condition.value === "{$me}") ?? false;
}

function described(condition: Condition, view: View): string {
  const title =
    view.columns.find((column) => column.name === condition.parameter)?.title ?? condition.parameter;
  return renderCondition({ ...condition, parameter: title });
}

function shorten(text: string): string {
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
}
