/** The table of a list: any number of rows, of which those on the screen are drawn. */

import { Checkbox } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { memo, type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Sort } from "@/kit/address";
import type { Row } from "@/kit/api";
import { formatValue } from "@/kit/formats";
import { keyOf } from "@/kit/listing";
import { kept } from "@/kit/store";
import { lookUp } from "@/kit/templates";
import { isRight, Value } from "@/kit/Value";
import type { Column, View } from "@/kit/views";
import { type Place, scrollTo, windowOf } from "@/kit/window";
import type { Rows } from "./useRows";

export const ROW_PX = 30;
const CHECK_PX = 34;
const WIDTH_PX = 150;
const WIDTH_MIN_PX = 60;
const SETTLE_MS = 60;
/** A text of so few characters fits into its column. */
const SHORT = 10;
const GROWING = new Set(["text", "list", "json", "link"]);

/** Rows by their ids, as they were when they were chosen; or all that match, whatever they are. */
export type Chosen = { ids: ReadonlyMap<string, Row>; all: boolean };

type Props = {
  view: View;
  columns: Column[];
  rows: Rows;
  sort: Sort[];
  onSort: (sort: Sort[]) => void;
  active: number;
  onActive: (index: number) => void;
  open: string | undefined;
  onOpen: (row: Row) => void;
  chosen: Chosen;
  onChoose: (index: number, isRange: boolean) => void;
  onChooseAll: () => void;
  onWindow: (window: { start: number; end: number }) => void;
  scroller: RefObject<HTMLDivElement | null>;
};

export function EntityTable(props: Props) {
  const { view, columns, rows, sort, active, open, chosen, onWindow, scroller } = props;
  const [place, setPlace] = useState({ scrollTop: 0, viewport: 600 });
  const widths = useWidths(view.name);
  const frame = useRef(0);
  const full: Place = { count: rows.count, rowHeight: ROW_PX, ...place };
  const { start, end, top, height } = windowOf(full);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) {
      return;
    }
    const measure = () =>
      setPlace((old) => ({ ...old, viewport: Math.max(ROW_PX, element.clientHeight - ROW_PX) }));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [scroller]);

  // Whoever drags the scroll bar wants the rows where it stops.
  useEffect(() => {
    const timer = setTimeout(() => onWindow({ start, end }), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [start, end, onWindow]);

  const onScroll = useCallback(() => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => {
      const element = scroller.current;
      if (element) {
        setPlace((old) =>
          old.scrollTop === element.scrollTop ? old : { ...old, scrollTop: element.scrollTop },
        );
      }
    });
  }, [scroller]);

  // Keys move the active row; it stays on the screen.
  // biome-ignore lint/correctness/useExhaustiveDependencies: follows the active row only.
  useEffect(() => {
    const element = scroller.current;
    const wanted =
      active >= 0 ? scrollTo(active, { ...full, scrollTop: element?.scrollTop ?? 0 }) : undefined;
    if (element && wanted !== undefined) {
      element.scrollTop = wanted;
    }
  }, [active]);

  const keyAt = (index: number) => {
    const row = rows.at(index);
    return row && keyOf(view, row);
  };
  const template = `${CHECK_PX}px ${columns.map(widths.track).join(" ")} minmax(0, 1fr)`;
  const width = CHECK_PX + columns.reduce((sum, column) => sum + widths.of(column), 0);
  const indexes = Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);
  return (
    <div
      className="table-scroll"
      ref={scroller}
      onScroll={onScroll}
      tabIndex={0}
      data-stale={rows.isStale || undefined}
    >
      <div
        role="table"
        aria-label={view.title}
        aria-rowcount={rows.isCountKnown ? rows.count + 1 : -1}
        aria-colcount={columns.length + 1}
        className="table"
        style={{ minWidth: width }}
      >
        <div role="rowgroup" className="table-head">
          <div role="row" className="table-row" style={{ gridTemplateColumns: template }} aria-rowindex={1}>
            <div role="columnheader" className="cell cell-check">
              <Checkbox
                size="xs"
                aria-label="Select all loaded rows"
                checked={chosen.all}
                indeterminate={!chosen.all && chosen.ids.size > 0}
                onChange={props.onChooseAll}
              />
            </div>
            {columns.map((column) => (
              <Head
                key={column.name}
                column={column}
                sort={sort}
                onSort={props.onSort}
                onWidth={widths.set}
                width={widths.of(column)}
              />
            ))}
          </div>
        </div>
        <div role="rowgroup" className="table-body" style={{ height }}>
          {indexes.map((index) => (
            <TableRow
              key={index}
              index={index}
              row={rows.at(index)}
              view={view}
              columns={columns}
              template={template}
              top={top + (index - start) * ROW_PX}
              isActive={index === active}
              isOpen={open !== undefined && keyAt(index) === open}
              isChosen={chosen.all || chosen.ids.has(keyAt(index) ?? "")}
              onOpen={props.onOpen}
              onActive={props.onActive}
              onChoose={props.onChoose}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

type RowProps = {
  index: number;
  row: Row | undefined;
  view: View;
  columns: Column[];
  template: string;
  top: number;
  isActive: boolean;
  isOpen: boolean;
  isChosen: boolean;
  onOpen: (row: Row) => void;
  onActive: (index: number) => void;
  onChoose: (index: number, isRange: boolean) => void;
};

const TableRow = memo(function TableRow(props: RowProps) {
  const { index, row, view, columns, template, top, isActive, isOpen, isChosen } = props;
  const style = { gridTemplateColumns: template, transform: `translateY(${top}px)` };
  if (!row) {
    return (
      <div role="row" className="table-row waiting-row" style={style} aria-rowindex={index + 2}>
        <div role="cell" className="cell" />
        {columns.map((column) => (
          <div role="cell" className="cell" key={column.name}>
            <i className="ghost" />
          </div>
        ))}
      </div>
    );
  }
  return (
    <div
      role="row"
      className="table-row"
      style={style}
      aria-rowindex={index + 2}
      data-active={isActive || undefined}
      data-open={isOpen || undefined}
      data-chosen={isChosen || undefined}
      onClick={() => {
        // Whoever marks text in a row wants to copy it.
        if (!window.getSelection()?.toString()) {
          props.onActive(index);
          props.onOpen(row);
        }
      }}
    >
      <div role="cell" className="cell cell-check" onClick={(event) => event.stopPropagation()}>
        <Checkbox
          size="xs"
          aria-label={`Select ${String(row[view.id_column])}`}
          checked={isChosen}
          onChange={(event) => {
            props.onActive(index);
            props.onChoose(index, (event.nativeEvent as MouseEvent).shiftKey);
          }}
        />
      </div>
      {columns.map((column) => (
        <div
          role="cell"
          key={column.name}
          className={isRight(column) ? "cell number" : "cell"}
          title={wholeText(column, row)}
        >
          <Value column={column} row={row} view={view} isShort />
        </div>
      ))}
    </div>
  );
});

/** What a cell may have no room for, for whoever points at it. */
function wholeText(column: Column, row: Row): string | undefined {
  const text = GROWING.has(column.type ?? "text") ? formatValue(lookUp(row, column.name), "text") : "";
  return text.length > SHORT ? text : undefined;
}

type HeadProps = {
  column: Column;
  sort: Sort[];
  onSort: (sort: Sort[]) => void;
  width: number;
  onWidth: (column: Column, width: number) => void;
};

function Head({ column, sort, onSort, width, onWidth }: HeadProps) {
  const place = sort.findIndex((key) => key.column === column.name);
  const key = sort[place];
  const direction = key ? (key.descending ? "descending" : "ascending") : "none";
  const press = (isMore: boolean) => {
    const next = { column: column.name, descending: key ? !key.descending : false };
    onSort(isMore ? [...sort.filter((each) => each.column !== column.name), next] : [next]);
  };
  return (
    <div
      role="columnheader"
      aria-sort={column.sortable === false ? undefined : direction}
      className={isRight(column) ? "cell number" : "cell"}
      title={column.help || undefined}
    >
      {column.sortable === false ? (
        <span>{column.title}</span>
      ) : (
        <button type="button" className="sort" onClick={(event) => press(event.shiftKey)}>
          {column.title}
          {key && (key.descending ? <IconArrowDown size={13} /> : <IconArrowUp size={13} />)}
          {key && sort.length > 1 && <small>{place + 1}</small>}
        </button>
      )}
      <Grip width={width} onWidth={(wanted) => onWidth(column, wanted)} />
    </div>
  );
}

/** Changes the width of a column with the pointer; by keyboard columns are chosen, not sized. */
function Grip({ width, onWidth }: { width: number; onWidth: (width: number) => void }) {
  return (
    <i
      className="grip"
      aria-hidden
      onPointerDown={(down) => {
        down.preventDefault();
        const grip = down.currentTarget;
        const shown = grip.parentElement?.offsetWidth ?? width;
        grip.setPointerCapture(down.pointerId);
        grip.onpointermove = (move) => onWidth(Math.max(WIDTH_MIN_PX, shown + move.clientX - down.clientX));
        grip.onpointerup = () => {
          grip.onpointermove = null;
          grip.onpointerup = null;
        };
      }}
    />
  );
}

function useWidths(view: string) {
  const [widths, setWidths] = useState<Record<string, number>>(() => kept.get(`widths.${view}`) ?? {});
  const widthOf = (column: Column) => widths[column.name] ?? column.width ?? WIDTH_PX;
  return {
    of: widthOf,
    /** What the grid gives a column: texts that nobody has sized take what is left of the screen. */
    track: (column: Column) => {
      const width = widthOf(column);
      const isFlexible = widths[column.name] === undefined && GROWING.has(column.type ?? "text");
      return isFlexible ? `minmax(${width}px, ${width}fr)` : `${width}px`;
    },
    set: (column: Column, width: number) =>
      setWidths((old) => {
        const next = { ...old, [column.name]: Math.round(width) };
        kept.set(`widths.${view}`, next);
        return next;
      }),
  };
}
