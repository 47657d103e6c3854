/** For those who watch over a VO: what ran, waited and failed over the last day, from one request. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ask } from "@/kit/api";
import { formatNumber, formatPercent } from "@/kit/formats";
import { Fault, Waiting } from "@/kit/Panel";
import { useViews } from "@/kit/session";
import { type Activity as Answer, courseOf, failureCourse, failureRate, type Measure } from "./activity";
import { Figure } from "./Figure";

const EVERY_MS = 60_000;
const FAILURES: string = "/failures";

type Shown = { measure: Measure; title: string; tone: string; view?: string; status?: string };

const MEASURES: Shown[] = [
  { measure: "running", title: "Running jobs", tone: "progress", view: "jobs", status: "Running" },
  { measure: "waiting", title: "Waiting jobs", tone: "info", view: "jobs", status: "Waiting" },
  { measure: "pilots", title: "Running pilots", tone: "progress", view: "pilots", status: "Running" },
  { measure: "cores", title: "Slots in use (cores)", tone: "success", view: "sites" },
];

export default function Activity({ vo }: { vo: string }) {
  const activity = useQuery({
    queryKey: ["home", "activity"],
    queryFn: ({ signal }) => ask<Answer>("GET", "/api/accounting/activity", { signal }),
    refetchInterval: EVERY_MS,
  });
  return (
    <section className="stack" aria-label="The last 24 hours">
      <h2>
        The last 24 hours <span className="faint">in {vo}</span>
      </h2>
      {activity.error && (
        <Fault error={activity.error} what="The activity" onRetry={() => activity.refetch()} />
      )}
      {activity.isPending && <Waiting />}
      {activity.data && <Cards day={activity.data} />}
    </section>
  );
}

function Cards({ day }: { day: Answer }) {
  const known = new Set(useViews().map((view) => view.name));
  const rate = failureRate(day);
  const latest = day.samples.at(-1);
  return (
    <ul className="figures">
      {MEASURES.map(({ measure, title, tone, view, status }) => (
        <Figure
          key={measure}
          title={title}
          tone={tone}
          now={latest ? formatNumber(latest[measure]) : "–"}
          course={courseOf(day, measure)}
          format={(value) => formatNumber(Math.round(value))}
          link={
            view && known.has(view) ? (
              <Link
                to="/$view"
                params={{ view }}
                search={(status ? { f: `Status:eq:${status}` } : {}) as never}
              >
                {title}
              </Link>
            ) : undefined
          }
        />
      ))}
      <Figure
        title="Failure rate"
        tone="danger"
        now={rate === undefined ? "–" : formatPercent(rate * 100)}
        course={failureCourse(day)}
        format={(value) => formatPercent(value * 100)}
        link={known.has("jobs") ? <Link to={FAILURES}>Failure rate</Link> : undefined}
      />
    </ul>
  );
}
