/** What an action would do, before it does it. */

import type { components } from "@/generated/api";
import { failuresIn } from "@/kit/api";
import { countOf, formatBytes, formatNumber, plural } from "@/kit/formats";
import { lookUp } from "@/kit/templates";
import { Value } from "@/kit/Value";
import type { View } from "@/kit/views";

type RowsPlan = components["schemas"]["BulkPlan"];
type FilesPlan = components["schemas"]["FilePlan"];
/** What would be done to rows, or to all files below directories. */
export type Plan = RowsPlan | FilesPlan;

const KINDS_MAX = 8;
const FAILED_MAX = 5;

export function PlanPreview({ plan, view }: { plan: Plan; view: View }) {
  return "bytes" in plan ? <OfFiles plan={plan} /> : <OfRows plan={plan} view={view} />;
}

/** Return what an order is called while it is under way. */
export function orderTitle(title: string, plan: Plan, view: View): string {
  return "bytes" in plan
    ? `${title}: ${plural(plan.count, "file")}`
    : `${title} ${countOf(plan.count, view)}`;
}

function OfFiles({ plan }: { plan: FilesPlan }) {
  const failed = failuresIn(plan);
  return (
    <div className="plan">
      <p>
        <strong>
          This affects {plural(plan.count, "file")}, {formatBytes(plan.bytes)}.
        </strong>
        {plan.undo_s ? ` It starts after ${plan.undo_s} seconds and can be cancelled until then.` : ""}
      </p>
      {failed.length > 0 && (
        <p className="tone-warning toned">
          {failed.slice(0, FAILED_MAX).join("; ")}
          {failed.length > FAILED_MAX && "…"}
        </p>
      )}
      <ul className="plan-names mono">
        {plan.sample.map((name) => (
          <li key={name}>{name}</li>
        ))}
      </ul>
    </div>
  );
}

function OfRows({ plan, view }: { plan: RowsPlan; view: View }) {
  const columns = view.columns
    .filter((column) => plan.sample.some((row) => lookUp(row, column.name) !== undefined))
    .slice(0, 5);
  return (
    <div className="plan">
      <p>
        <strong>This affects {countOf(plan.count, view)}.</strong>
        {plan.undo_s ? ` You can undo it for ${plan.undo_s} seconds; after that it is final.` : ""}
      </p>
      <Left count={plan.not_allowed} words="are not yours to change and stay unchanged." />
      <Left count={plan.not_possible} words="are in a status that does not allow it and stay unchanged." />
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
