/** What an action would do, before it does it. */

import type { components } from "@/generated/api";
import { countOf, formatNumber } from "@/kit/formats";
import { lookUp } from "@/kit/templates";
import { Value } from "@/kit/Value";
import type { View } from "@/kit/views";

/** Plans of jobs; other rooms answer alike. */
export type Plan = components["schemas"]["BulkPlan"];

const KINDS_MAX = 8;

export function PlanPreview({ plan, view }: { plan: Plan; view: View }) {
  const columns = view.columns
    .filter((column) => plan.sample.some((row) => lookUp(row, column.name) !== undefined))
    .slice(0, 5);
  return (
    <div className="plan">
      <p>
        <strong>It would be done to {countOf(plan.count, view)}.</strong>
        {plan.undo_s
          ? ` You can take it back for ${plan.undo_s} seconds; after that there is no way back.`
          : ""}
      </p>
      <Left count={plan.not_allowed} words="are not yours to change, and stay as they are." />
      <Left
        count={plan.not_possible}
        words="are in a status in which it cannot be done, and stay as they are."
      />
      <Left count={plan.missing} words="do not exist, or you may not see them." />
      {Object.entries(plan.by).map(([name, counts]) => (
        <p key={name}>
          <span className="faint">{name}</span>{" "}
          {Object.entries(counts)
            .slice(0, KINDS_MAX)
            .map(([value, count]) => `${value} ${formatNumber(count)}`)
            .join(" · ")}
          {Object.keys(counts).length > KINDS_MAX && " · …"}
        </p>
      ))}
      {plan.sample.length > 0 && (
        <div className="plain-scroll">
          <table className="plain">
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column.name}>{column.title}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {plan.sample.map((row, index) => (
                <tr key={index}>
                  {columns.map((column) => (
                    <td key={column.name}>
                      <Value column={{ ...column, link: null }} row={row} view={view} isShort />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

function Left({ count, words }: { count: number | undefined; words: string }) {
  return count ? (
    <p className="tone-warning toned">
      {formatNumber(count)} {words}
    </p>
  ) : null;
}
