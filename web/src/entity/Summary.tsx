/** How many rows there are of which kind: a chart with words, each of which filters. */

import { Donut, fillAt, type Slice } from "@/kit/charts";
import { type Condition, literal } from "@/kit/filters";
import { formatNumber } from "@/kit/formats";
import { Skeleton } from "@/kit/Skeleton";
import { StatusMark, statusOf } from "@/kit/Status";
import type { View } from "@/kit/views";
import type { Given } from "./given";

const SHOWN_MAX = 12;

type Props = Given & { by: string | undefined; isPending: boolean; error: unknown };

export default function Summary({ view, counts, by, change, conditions, isPending, error }: Props) {
  const groupings = view.groupings ?? [];
  if (!by || (error !== null && error !== undefined && !counts)) {
    return null;
  }
  if (!counts) {
    return isPending ? <Skeleton height={48} /> : null;
  }
  const isStatus = by === view.status_column;
  const shown = counts.rows.slice(0, SHOWN_MAX);
  const rest = counts.rows.slice(SHOWN_MAX).reduce((sum, { count }) => sum + count, 0);
  const slices = slicesOf(view, isStatus, shown, rest);
  const chosen = new Set(
    conditions
      .filter((each) => each.parameter === by)
      .flatMap((each) => each.values.map((word) => word.text)),
  );
  const only = (value: string) => {
    const others = conditions.filter((each) => each.parameter !== by);
    const mine: Condition = { parameter: by, operator: "eq", values: [literal(value)] };
    const isAlone = chosen.size === 1 && chosen.has(value);
    change({ conditions: isAlone ? others : [...others, mine] });
  };
  return (
    <div className="summary">
      {counts.total > 0 && (
        <Donut slices={slices} size={44} label={`${view.title} by ${titleOf(view, by)}`} />
      )}
      <ul>
        {shown.map(({ value, count }, index) => (
          <li key={value}>
            <button
              type="button"
              aria-pressed={chosen.has(value)}
              onClick={() => only(value)}
              title={`Only ${value || "none"}`}
            >
              {isStatus ? (
                <StatusMark view={view} value={value} />
              ) : (
                <Dot fill={fillAt(index)} name={value} />
              )}
              <span className="number">{formatNumber(count)}</span>
            </button>
          </li>
        ))}
        {rest > 0 && (
          <li className="faint">
            {formatNumber(counts.rows.length - SHOWN_MAX)} more: {formatNumber(rest)}
          </li>
        )}
      </ul>
      {groupings.length > 1 && (
        <label className="by">
          <span className="faint">by</span>
          <select
            value={by}
            onChange={(event) =>
              change({ by: event.target.value === view.status_column ? undefined : event.target.value })
            }
          >
            {groupings.map((name) => (
              <option key={name} value={name}>
                {titleOf(view, name)}
              </option>
            ))}
          </select>
        </label>
      )}
    </div>
  );
}

function Dot({ fill, name }: { fill: string; name: string }) {
  return (
    <span className="dot">
      <i style={{ background: fill }} aria-hidden />
      {name || <em>none</em>}
    </span>
  );
}

function titleOf(view: View, name: string): string {
  return view.columns.find((column) => column.name === name)?.title ?? name;
}

function slicesOf(
  view: View,
  isStatus: boolean,
  rows: { value: string; count: number }[],
  rest: number,
): Slice[] {
  const slices = rows.map(({ value, count }, index) => ({
    name: value,
    count,
    fill: isStatus ? `var(--${statusOf(view, value).tone}-fill)` : fillAt(index),
  }));
  return rest > 0 ? [...slices, { name: "…", count: rest, fill: "var(--bg-strong)" }] : slices;
}
