/** A value of the API, shown by the type of its column. */

import { Link } from "@tanstack/react-router";
import type { Row } from "./api";
import {
  formatAgo,
  formatNear,
  formatPercent,
  formatTime,
  formatUtc,
  formatValue,
  isNothing,
  isNumeric,
} from "./formats";
import { StatusMark } from "./Status";
import { fillText, lookUp, placeholders } from "./templates";
import { readTime } from "./times";
import { useNow } from "./useNow";
import type { Column, View } from "./views";

type Props = { column: Column; row: Row; view?: View; isShort?: boolean };

export function Value({ column, row, view, isShort }: Props) {
  const value = lookUp(row, column.name);
  const type = column.type ?? "text";
  if (type === "status" && value) {
    return <StatusMark view={view} value={value} />;
  }
  // Nothing has the number 0: it stands for none.
  if (isNothing(value) || (value === 0 && isId(column))) {
    return <span className="faint">–</span>;
  }
  const shown =
    type === "time" ? (
      <Time value={value} isRelative={isShort} />
    ) : type === "progress" ? (
      <Progress value={Number(value)} />
    ) : null;
  const text =
    shown ??
    (type === "json"
      ? JSON.stringify(value)
      : formatValue(value, type === "int" && isId(column) ? "text" : type, column.unit));
  if (value === "ANY") {
    return <span className="faint">{text}</span>;
  }
  const to = linkOf(column, row);
  return to ? (
    <Link to={to} onClick={(event) => event.stopPropagation()}>
      {text}
    </Link>
  ) : (
    text
  );
}

/** Ids are names that happen to be numbers: no thousands are marked in them. */
function isId(column: Column): boolean {
  return /id$/i.test(column.name);
}

export function linkOf(column: Column, row: Row): string | undefined {
  if (
    !column.link?.startsWith("/") ||
    placeholders(column.link).some((name) => !isNamed(lookUp(row, name)))
  ) {
    return undefined;
  }
  return fillText(column.link, row, encodeURIComponent);
}

function isNamed(value: unknown): boolean {
  return value !== null && value !== undefined && value !== "" && value !== "ANY" && value !== "Multiple";
}

/** A moment: in lists how long ago it was, elsewhere its time; the other one and UTC are told to whoever points at it. */
export function Time({ value, isRelative }: { value: unknown; isRelative?: boolean }) {
  const moment = readTime(value);
  if (!moment) {
    return String(value);
  }
  return isRelative ? (
    <Ago moment={moment} />
  ) : (
    <time dateTime={moment.toISOString()} title={`${formatUtc(moment)}, ${formatAgo(moment)}`}>
      {formatTime(moment)}
    </time>
  );
}

function Ago({ moment }: { moment: Date }) {
  const now = useNow();
  return (
    <time dateTime={moment.toISOString()} title={`${formatTime(moment, now)}, ${formatUtc(moment)}`}>
      {formatNear(moment, now)}
    </time>
  );
}

export function Progress({ value }: { value: number }) {
  const percent = Math.max(0, Math.min(100, value));
  return (
    <span className="bar">
      <i aria-hidden>
        <b style={{ width: `${percent}%` }} />
      </i>
      {formatPercent(percent)}
    </span>
  );
}

export function isRight(column: Column): boolean {
  return (
    column.align === "right" ||
    (!column.align && isNumeric(column.type ?? "text") && column.type !== "progress")
  );
}
