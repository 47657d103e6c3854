/** One's newest job groups on the first page: how far each is, and when it will have ended. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ask, type Row } from "@/kit/api";
import { formatNumber, isNothing } from "@/kit/formats";
import { Fault, Waiting } from "@/kit/Panel";
import type { Me } from "@/kit/session";
import { Progress, Time } from "@/kit/Value";

const NEWEST = 5;
const EVERY_MS = 30_000;

export default function Groups({ me }: { me: Me }) {
  const groups = useQuery({
    queryKey: ["home", "groups", me.preferred_username],
    queryFn: ({ signal }) =>
      ask<Row[]>("POST", "/api/jobs/groups/search", {
        query: { per_page: NEWEST },
        body: { search: [{ parameter: "Owner", operator: "eq", value: me.preferred_username }] },
        signal,
      }),
    refetchInterval: EVERY_MS,
  });
  if (groups.error) {
    return <Fault error={groups.error} what="Your job groups" onRetry={() => groups.refetch()} />;
  }
  if (groups.isPending) {
    return <Waiting what="Looking for your job groups" />;
  }
  if (groups.data.length === 0) {
    return null;
  }
  return (
    <section className="stack" aria-label="Your job groups">
      <h2>Your job groups</h2>
      <div className="sheet-scroll" tabIndex={0} role="region" aria-label="Your newest job groups">
        <table className="sheet">
          <thead>
            <tr>
              <th scope="col">Job group</th>
              <th scope="col">Jobs</th>
              <th scope="col">Ended</th>
              <th scope="col">Failed</th>
              <th scope="col">Estimated end</th>
            </tr>
          </thead>
          <tbody>
            {groups.data.map((group) => (
              <tr key={String(group.JobGroup)}>
                <th scope="row">
                  <Link to="/$view" params={{ view: "jobs" }} search={{ f: jobsOf(group) } as never}>
                    {isNothing(group.JobGroup) ? "Jobs without a group" : String(group.JobGroup)}
                  </Link>
                </th>
                <td>{formatNumber(Number(group.Jobs))}</td>
                <td>
                  <Progress value={Number(group.Progress)} />
                </td>
                <td>{formatNumber(Number(group.Failed))}</td>
                <td className="nowrap">
                  {group.EstimatedEnd ? <Time value={group.EstimatedEnd} isRelative /> : "–"}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Link to="/$view" params={{ view: "job-groups" }}>
        All your job groups
      </Link>
    </section>
  );
}

function jobsOf(group: Row): string[] {
  return [`JobGroup:eq:${group.JobGroup}`, `Owner:eq:${group.Owner}`];
}
