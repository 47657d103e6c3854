/**
 * Lines, or sums over buckets of time as steps, stacked or not, in the colours of the theme; a table says the same to
 * those who do not see it.
 */

import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { type Clock, LOCAL, tickText, timeText, UTC } from "./clocks";
import "uplot/dist/uPlot.min.css";

export type Series = {
  name: string;
  values: (number | null)[];
  /** The name of the theme's colour that it has, if it means something: `--success-fill`. */
  colour?: string;
};
type Props = {
  /** In seconds since 1970. */
  times: number[];
  series: Series[];
  label: string;
  height?: number;
  isStacked?: boolean;
  /** How long a bucket is, in seconds, if values are of buckets: they are whole ones of UTC. */
  bucket_s?: number;
  /** Whether values are counts, which have no parts. */
  isCount?: boolean;
  format?: (value: number) => string;
  /** Told which series somebody points at, in the legend or in the stack. */
  onPick?: (name: string) => void;
};

const COLOURS = {
  light: ["#2a6fb5", "#0e8a93", "#c2741a", "#3b8f55", "#c0453d", "#7a5bb0", "#8a6d1f", "#5c6875"],
  dark: ["#6fadec", "#4fc3cb", "#e8a54b", "#6cc486", "#ef8077", "#b49be6", "#cdb25c", "#98a4b2"],
};

const WHOLE = Array.from({ length: 15 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

export function TimeChart(props: Props) {
  const { times, series, label, height = 240, isStacked = false, bucket_s, isCount, format, onPick } = props;
  const place = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme("light");
  useEffect(() => {
    const element = place.current;
    if (!element) {
      return;
    }
    const read = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const axis = {
      stroke: read("--faint"),
      grid: { stroke: read("--line-soft"), width: 1 },
      ticks: { stroke: read("--line"), width: 1 },
    };
    const shown = isStacked ? stacked(series) : series;
    const clock: Clock = bucket_s ? UTC : LOCAL;
    const own = new Map(series.map((each) => [each.name, each.values]));
    const said = (name: string, index: number | null) => {
      const value = index === null ? undefined : own.get(name)?.[index];
      return value === null || value === undefined ? "–" : (format?.(value) ?? String(value));
    };
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height,
        cursor: {
          drag: { x: true, y: false },
          dataIdx: (_, __, closest, at) => (bucket_s ? bucketAt(times, closest, at) : closest),
        },
        legend: { live: true },
        tzDate: clock.at,
        scales: {
          x: bucket_s ? { range: (_, from, to) => [from, Math.max(to, (times.at(-1) ?? 0) + bucket_s)] } : {},
        },
        axes: [
          { ...axis, values: (_, ticks, __, ___, step) => ticks.map((tick) => tickText(tick, step, clock)) },
          {
            ...axis,
            size: 64,
            incrs: isCount ? WHOLE : undefined,
            values: format ? (_, ticks) => ticks.map((tick) => format(tick)) : undefined,
          },
        ],
        series: [
          { label: clock.label, value: (_, at) => (at === null ? "–" : timeText(at, clock)) },
          ...shown.map((each, index) => {
            const own = each.colour && read(each.colour);
            const colour = own || COLOURS[scheme][index % COLOURS[scheme].length] || "#888";
            return {
              label: each.name,
              // In a stack it is drawn where it stands, and says what it is by itself.
              value: (_: uPlot, __: number | null, ___: number, at: number | null) => said(each.name, at),
              stroke: colour,
              width: 1.5,
              // Those below are drawn over it: what is seen has the colour of the legend.
              fill: isStacked ? colour : undefined,
              paths: bucket_s ? uPlot.paths.stepped?.({ align: 1, extend: true }) : undefined,
              points: { show: times.length < 2 && !bucket_s },
            };
          }),
        ],
      },
      [times, ...shown.map((each) => each.values)] as uPlot.AlignedData,
      element,
    );
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    const point = (event: MouseEvent) => {
      const legend = (event.target as Element).closest(".u-legend .u-series");
      const index = legend ? [...(legend.parentElement?.children ?? [])].indexOf(legend) - 1 : -1;
      const y = chart.posToVal(chart.cursor.top ?? -1, "y");
      const isInPlot = isStacked && (event.target as Element).closest(".u-over") !== null;
      const name = legend ? shown[index]?.name : isInPlot ? hit(shown, chart.cursor.idxs?.[1], y) : undefined;
      if (onPick && name !== undefined) {
        event.stopPropagation();
        onPick(name);
      }
    };
    // Before the chart's own listener, which hides a series by its entry in the legend.
    element.addEventListener("click", point, true);
    return () => {
      element.removeEventListener("click", point, true);
      observer.disconnect();
      chart.destroy();
    };
  }, [times, series, scheme, height, isStacked, bucket_s, isCount, format, onPick]);
  return (
    <div
      className="chart"
      ref={place}
      role="img"
      aria-label={`${label}: ${series.map((each) => each.name).join(", ")} over time`}
    />
  );
}

/** Return the bucket that a time lies in; the closest to it may be the next. */
export function bucketAt(times: readonly number[], closest: number, at: number): number {
  return closest > 0 && (times[closest] ?? 0) > at ? closest - 1 : closest;
}

/** Return the series of a stack, from the highest to the lowest, that is drawn at a height. */
export function hit(
  shown: readonly Series[],
  index: number | null | undefined,
  y: number,
): string | undefined {
  const at = (each: Series) => (index === null || index === undefined ? -1 : (each.values[index] ?? -1));
  return y < 0 ? undefined : shown.findLast((each) => at(each) >= y)?.name;
}

/** Each series on top of those before it; drawn from the highest to the lowest. */
export function stacked(series: readonly Series[]): Series[] {
  const sums: number[] = [];
  return series
    .map((each) => ({
      ...each,
      values: each.values.map((value, index) => {
        sums[index] = (sums[index] ?? 0) + (value ?? 0);
        return sums[index] ?? 0;
      }),
    }))
    .reverse();
}
