/** What began to fail since this browser was last here; the time of this visit is noted for the next. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { type Failures, nameOf } from "@/failures/clusters";
import { ask } from "@/kit/api";
import { formatAgo, plural } from "@/kit/formats";
import { Fault, Waiting } from "@/kit/Panel";
import type { Me } from "@/kit/session";
import { kept } from "@/kit/store";
import { type Visit, visitAt } from "./visits";

const FAILURES: string = "/failures";

export default function NewFailures({ me }: { me: Me }) {
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
    <section className="stack" aria-label="New failures">
      <h2>New failures since your last visit, {formatAgo(since)}</h2>
      {failures.error && (
        <Fault error={failures.error} what="The failures" onRetry={() => failures.refetch()} />
      )}
      {failures.isPending && <Waiting />}
      {failures.data?.clusters.length === 0 && <p className="faint">No failures.</p>}
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
                · {plural(each.count, "job")}
                {each.is_new ? ", new" : ""}
              </span>
            </li>
          ))}
        </ul>
      )}
      <Link to={FAILURES}>View all failures</Link>
    </section>
  );
}
