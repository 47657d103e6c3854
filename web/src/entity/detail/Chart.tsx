/** Numbers over time. */

import type { Row } from "@/kit/api";
import { TimeChart } from "@/kit/TimeChart";
import { lookUp } from "@/kit/templates";
import { readTime } from "@/kit/times";
import type { TabProps } from "./tab";

export default function Chart({ tab, content }: TabProps) {
  const rows = Array.isArray(content) ? (content as Row[]) : [];
  const names = tab.columns?.length
    ? tab.columns
    : Object.keys(rows[0] ?? {}).map((name) => ({ name, title: name, type: undefined }));
  const time = names.find((column) => column.type === "time") ?? names[0];
  const others = names.filter((column) => column !== time);
  const times = rows.map((row) => (readTime(lookUp(row, time?.name ?? ""))?.getTime() ?? 0) / 1000);
  const series = others.map((column) => ({
    name: column.title,
    values: rows.map((row) => {
      const value = lookUp(row, column.name);
      return value === null || value === undefined ? null : Number(value);
    }),
  }));
  return <TimeChart times={times} series={series} label={tab.title} />;
}
