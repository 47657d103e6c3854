/** What happened, one after the other, with how long each took. */

import type { Row } from "@/kit/api";
import { formatDuration, formatValue, isNothing } from "@/kit/formats";
import { StatusMark } from "@/kit/Status";
import { lookUp } from "@/kit/templates";
import { readTime } from "@/kit/times";
import { Time } from "@/kit/Value";
import type { Column } from "@/kit/views";
import type { TabProps } from "./tab";

export function Timeline({ view, tab, content }: TabProps) {
  const rows = Array.isArray(content) ? (content as Row[]) : [];
  const columns: Column[] = tab.columns ?? [];
  const time = columns.find((column) => column.type === "time") ?? { name: "time", title: "Time" };
  const status = columns.find((column) => column.type === "status");
  const rest = columns.filter((column) => column !== time && column !== status);
  return (
    <ol className="timeline">
      {rows.map((row, index) => {
        const at = readTime(lookUp(row, time.name));
        const next = readTime(lookUp(rows[index + 1] ?? {}, time.name));
        return (
          <li key={index}>
            <span className="when">
              <Time value={lookUp(row, time.name)} />
            </span>
            <span className="what">
              {status && <StatusMark view={view} value={lookUp(row, status.name)} />}
              {rest.map((column) => {
                const value = lookUp(row, column.name);
                return !isNothing(value) ? (
                  <span key={column.name} title={column.title}>
                    {formatValue(value, column.type ?? "text")}
                  </span>
                ) : null;
              })}
            </span>
            <span className="faint number">
              {at && next ? formatDuration((next.getTime() - at.getTime()) / 1000) : ""}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
