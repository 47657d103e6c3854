/** One's own jobs: how many are in which status, what ended over the last day, and the newest. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ask, type Row } from "@/kit/api";
import { formatNumber, isNothing } from "@/kit/formats";
import { Fault, Waiting } from "@/kit/Panel";
import { StatusMark } from "@/kit/Status";
import { type Me, useView } from "@/kit/session";
import { Time } from "@/kit/Value";
import { endedCourse, type Series, sumOf } from "./activity";
import { Figure } from "./Figure";

const SUBMIT: string = "/submit";
const NEWEST = 8;

export default function OwnJobs({ me }: { me: Me }) {
  const view = useView("jobs");
  const mine = [{ parameter: "Owner", operator: "eq", value: me.preferred_username }];
  const jobs = useQuery({
    queryKey: ["home", "jobs", me.preferred_username],
    queryFn: ({ signal }) =>
      Promise.all([
        ask<Row[]>("POST", "/api/jobs/summary", { body: { grouping: ["Status"], search: mine }, signal }),
        ask<Row[]>("POST", "/api/jobs/search", {
          query: { per_page: NEWEST },
          body: {
            parameters: ["JobID", "Status", "JobName", "Site", "SubmissionTime"],
            search: mine,
            sort: [{ parameter: "JobID", direction: "desc" }],
          },
          signal,
        }),
      ]),
  });
  if (jobs.error) {
    return <Fault error={jobs.error} what="Your jobs" onRetry={() => jobs.refetch()} />;
  }
  if (jobs.isPending) {
    return <Waiting what="Loading your jobs" />;
  }
  const [counts, newest] = jobs.data;
  return (
    <section className="stack" aria-label="Your jobs">
      <h2>Your jobs</h2>
      {newest.length === 0 ? (
        <p>
          You have no jobs yet. <Link to={SUBMIT}>Submit your first job</Link>.
        </p>
      ) : (
        <>
          <div className="head">
            {counts.map((each) => (
              <Link
                key={String(each.Status)}
                to="/$view"
                params={{ view: "jobs" }}
                search={{ f: [`Owner:eq:${me.preferred_username}`, `Status:eq:${each.Status}`] } as never}
              >
                <StatusMark view={view} value={each.Status} /> {formatNumber(Number(each.count))}
              </Link>
            ))}
          </div>
          <OwnDay me={me} />
          <div className="sheet-scroll" tabIndex={0} role="region" aria-label="Your newest jobs">
            <table className="sheet">
              <tbody>
                {newest.map((job) => (
                  <tr key={String(job.JobID)}>
                    <th scope="row">
                      <Link to="/$view/$id" params={{ view: "jobs", id: String(job.JobID) }}>
                        {String(job.JobID)}
                      </Link>
                    </th>
                    <td>
                      <StatusMark view={view} value={job.Status} />
                    </td>
                    <td>{isNothing(job.JobName) ? "" : String(job.JobName)}</td>
                    <td>{isNothing(job.Site) ? "" : String(job.Site)}</td>
                    <td className="nowrap">
                      <Time value={job.SubmissionTime} isRelative />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}

const DAY_MS = 24 * 3_600_000;
const ENDS = [
  { title: "Done in the last 24 hours", statuses: ["Done", "Completed"], tone: "success" },
  { title: "Failed in the last 24 hours", statuses: ["Failed"], tone: "danger" },
];

/** How many of one's jobs ended well or badly, by the hour. */
function OwnDay({ me }: { me: Me }) {
  const day = useQuery({
    queryKey: ["home", "ended", me.preferred_username],
    queryFn: ({ signal }) => {
      const end = new Date();
      const asked = {
        start: new Date(end.getTime() - DAY_MS).toISOString(),
        end: end.toISOString(),
        by: "status",
        bucket: "hour",
        where: { owner: [me.preferred_username] },
      };
      return ask<Series>("POST", "/api/accounting/jobs/series", { body: asked, signal });
    },
  });
  if (day.error) {
    return <Fault error={day.error} what="Your last day" onRetry={() => day.refetch()} />;
  }
  if (day.isPending) {
    return <Waiting />;
  }
  return (
    <ul className="figures">
      {ENDS.map(({ title, statuses, tone }) => {
        const course = endedCourse(day.data, statuses);
        return (
          <Figure
            key={title}
            title={title}
            tone={tone}
            now={formatNumber(sumOf(course))}
            course={course}
            format={(value) => `${formatNumber(value)} per hour`}
          />
        );
      })}
    </ul>
  );
}
