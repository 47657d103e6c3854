/** The first page: how one's own jobs do, what began to fail since the last visit, and where one may go. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, useEffect, useState } from "react";
import { type Failures, nameOf } from "@/failures/clusters";
import { ask, type Row } from "@/kit/api";
import { formatAgo, formatNumber, plural } from "@/kit/formats";
import { NamedIcon } from "@/kit/icons";
import { Fault, Panel, Waiting } from "@/kit/Panel";
import { useGroups } from "@/kit/pages";
import { StatusMark } from "@/kit/Status";
import { type Me, mayUse, useMe, useView } from "@/kit/session";
import { kept } from "@/kit/store";
import { useTitle } from "@/kit/useTitle";
import { Time } from "@/kit/Value";
import { type Visit, visitAt } from "./visits";
import "@/kit/written.css";

const HOME = "/";
const SUBMIT: string = "/submit";
const FAILURES: string = "/failures";
const OPERATORS = ["Operator", "SiteManager", "JobAdministrator", "ServiceAdministrator"];
const NEWEST = 8;

const Trouble = lazy(() => import("./Trouble"));

export default function Home() {
  useTitle("Home");
  const me = useMe();
  const entries = useGroups()
    .flatMap((group) => group.entries.flatMap((entry) => entry.tabs))
    .filter((entry) => entry.to !== HOME);
  const hasJobs = mayUse(me, ["NormalUser", "JobAdministrator"]);
  return (
    <div className="written">
      <h1>Good day{me ? `, ${me.preferred_username}` : ""}</h1>
      {me && hasJobs && (
        <div className="sides">
          <OwnJobs me={me} />
          <SinceLastVisit me={me} />
        </div>
      )}
      {mayUse(me, OPERATORS) && (
        <Panel what="What needs your eye">
          <Trouble />
        </Panel>
      )}
      <section className="stack">
        <h2>Everything here</h2>
        <ul className="cards">
          {entries.map((entry) => (
            <li key={entry.to}>
              <Link to={entry.to} className="card">
                <NamedIcon name={entry.icon} size={20} />
                <strong>{entry.title}</strong>
                <span className="faint">{entry.doc}</span>
              </Link>
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}

function OwnJobs({ me }: { me: Me }) {
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
    return <Waiting what="Looking for your jobs" />;
  }
  const [counts, newest] = jobs.data;
  return (
    <section className="stack" aria-label="Your jobs">
      <h2>Your jobs</h2>
      {newest.length === 0 ? (
        <p>
          You have none yet. <Link to={SUBMIT}>Describe your first job</Link>.
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
                    <td>{String(job.JobName ?? "")}</td>
                    <td>{String(job.Site ?? "")}</td>
                    <td className="nowrap">
                      <Time value={job.SubmissionTime} />
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

/** What began to fail since this browser was last here; the time of this visit is noted for the next. */
function SinceLastVisit({ me }: { me: Me }) {
  const name = `visit.${me.vo}.${me.preferred_username}`;
  const [visit] = useState(() => visitAt(Date.now(), kept.get<Visit>(name)));
  useEffect(() => kept.set(name, visit), [name, visit]);
  const since = new Date(visit.since);
  const failures = useQuery({
    queryKey: ["home", "failures", visit.since],
    queryFn: ({ signal }) =>
      ask<Failures>("GET", "/api/jobs/failures", { query: { since: since.toISOString(), limit: 5 }, signal }),
  });
  return (
    <section className="stack" aria-label="Since your last visit">
      <h2>What failed since your last visit, {formatAgo(since)}</h2>
      {failures.error && (
        <Fault error={failures.error} what="What failed" onRetry={() => failures.refetch()} />
      )}
      {failures.isPending && <Waiting />}
      {failures.data?.clusters.length === 0 && <p className="faint">Nothing has failed.</p>}
      {failures.data && failures.data.clusters.length > 0 && (
        <ul className="revisions">
          {failures.data.clusters.map((each) => (
            <li key={`${each.vo} ${each.signature}`}>
              <Link
                to="/$view"
                params={{ view: "jobs" }}
                search={{ f: `FailureSignature:eq:${each.signature}` } as never}
              >
                {nameOf(each)}
              </Link>{" "}
              <span className="faint">
                {plural(each.count, "job")}
                {each.is_new ? ", new" : ""}
              </span>
            </li>
          ))}
        </ul>
      )}
      <Link to={FAILURES}>All failures</Link>
    </section>
  );
}
