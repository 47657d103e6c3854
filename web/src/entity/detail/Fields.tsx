/** The fields of an entity, those with a value first; names are those of the view where it has them. */

import { useState } from "react";
import type { Row } from "@/kit/api";
import { isNothing, plural } from "@/kit/formats";
import { isMapping, lookUp } from "@/kit/templates";
import { Value } from "@/kit/Value";
import { type Column, plainColumn, type Tab, type View } from "@/kit/views";
import { Nested } from "./Nested";

type Props = { view: View; tab: Tab; content: Row };

export function Fields({ view, tab, content }: Props) {
  const [isAll, setAll] = useState(false);
  const columns = fieldsOf(view, tab, content);
  const hasValue = (column: Column) => !isNothing(lookUp(content, column.name));
  const full = columns.filter(hasValue);
  const empty = columns.filter((column) => !hasValue(column));
  return (
    <>
      <dl className="fields">
        {[...full, ...(isAll ? empty : [])].map((column) => (
          <div key={column.name}>
            <dt title={column.help || column.name}>{column.title}</dt>
            <dd>
              {isDeep(lookUp(content, column.name)) ? (
                <Nested value={lookUp(content, column.name)} />
              ) : (
                <Value column={column} row={content} view={view} />
              )}
            </dd>
          </div>
        ))}
      </dl>
      {empty.length > 0 && (
        <button type="button" className="as-link" onClick={() => setAll(!isAll)}>
          {isAll ? "Hide empty fields" : `Show ${plural(empty.length, "empty field")}`}
        </button>
      )}
    </>
  );
}

function fieldsOf(view: View, tab: Tab, content: Row): Column[] {
  if (tab.columns?.length && !tab.call) {
    return tab.columns;
  }
  const declared = tab.columns?.length
    ? tab.columns
    : tab.call
      ? []
      : view.columns.filter((column) => column.shown !== false);
  const names = new Set(declared.map((column) => column.name));
  const rest = Object.keys(content)
    .filter((name) => !names.has(name))
    .map(
      (name) =>
        view.columns.find((column) => column.name === name) ?? plainColumn(name, typeOf(content[name])),
    );
  return [...declared, ...rest];
}

/** What the API sends without a declaration: a text that looks like a time is one. */
export function typeOf(value: unknown): "time" | "text" {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(value)) {
    return "time";
  }
  return "text";
}

function isDeep(value: unknown): boolean {
  return isMapping(value) || (Array.isArray(value) && value.some(isMapping));
}
