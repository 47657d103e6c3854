/** A table of what a call answers: short enough to be drawn whole, cut where it is not. */

import type { Row } from "@/kit/api";
import { formatNumber } from "@/kit/formats";
import { isMapping, lookUp } from "@/kit/templates";
import { isRight, Value } from "@/kit/Value";
import { type Column, plainColumn } from "@/kit/views";
import { typeOf } from "./Fields";
import type { TabProps } from "./tab";

const SHOWN_MAX = 1000;

export function PlainTable(props: TabProps) {
  const lists = listsIn(props.content);
  if (!lists) {
    return <OneTable {...props} />;
  }
  return Object.entries(lists).map(([name, rows]) => (
    <section className="plain-part" key={name} aria-label={titled(name)}>
      <h3>{titled(name)}</h3>
      {rows.length > 0 ? <OneTable {...props} content={rows} /> : <p className="faint">None.</p>}
    </section>
  ));
}

function OneTable({ view: of, tab, content }: TabProps) {
  const view = tab.statuses?.length ? { ...of, statuses: tab.statuses } : of;
  const rows = rowsOf(content);
  const columns = tab.columns?.length ? columnsWithValues(tab.columns, rows) : columnsIn(rows);
  return (
    <div className="plain-scroll" tabIndex={0} role="region" aria-label={tab.title}>
      <table className="plain">
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.name}
                className={isRight(column) ? "number" : undefined}
                title={column.help || undefined}
              >
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, SHOWN_MAX).map((row, index) => (
            <tr key={index}>
              {columns.map((column) => (
                <td key={column.name} className={isRight(column) ? "number" : undefined}>
                  <Value column={column} row={row} view={view} isShort />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > SHOWN_MAX && (
        <p className="faint">
          The first {formatNumber(SHOWN_MAX)} of {formatNumber(rows.length)}.
        </p>
      )}
    </div>
  );
}

/** An answer may have several lists, each under its name: inputs and outputs, for example. */
function listsIn(content: unknown): Record<string, unknown[]> | undefined {
  return isMapping(content) && Object.values(content).every(Array.isArray)
    ? (content as Record<string, unknown[]>)
    : undefined;
}

function titled(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A declared column that no row has at all belongs to another list of the same answer. */
function columnsWithValues(columns: Column[], rows: Row[]): Column[] {
  const has = (column: Column) => rows.some((row) => lookUp(row, column.name) !== undefined);
  return rows.length > 0 ? columns.filter(has) : columns;
}

function rowsOf(content: unknown): Row[] {
  if (Array.isArray(content)) {
    return content.map((each) => (isMapping(each) ? each : { value: each }));
  }
  return isMapping(content)
    ? Object.entries(content).map(([name, value]) =>
        isMapping(value) ? { name, ...value } : { name, value },
      )
    : [{ value: content }];
}

function columnsIn(rows: Row[]): Column[] {
  const names = new Set(rows.slice(0, 50).flatMap((row) => Object.keys(row)));
  return [...names].map((name) =>
    plainColumn(
      name,
      typeof rows[0]?.[name] === "number" ? "float" : typeOf(rows.find((row) => row[name])?.[name]),
    ),
  );
}
