/** Failures that are alike: how many, where, whose, since when, whether they are new, and what is known of them. */

import { Button, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { lazy, useState } from "react";
import { ask } from "@/kit/api";
import { formatNumber, plural } from "@/kit/formats";
import { Fault, Nothing, Panel, Waiting } from "@/kit/Panel";
import { Sparkline } from "@/kit/Sparkline";
import { mayUse, useMe } from "@/kit/session";
import { momentBefore } from "@/kit/times";
import { useAddress } from "@/kit/useAddress";
import { useTitle } from "@/kit/useTitle";
import { Time } from "@/kit/Value";
import { type Cluster, changeOf, type Failures as Found, jobsOf, nameOf } from "./clusters";
import { Matrix } from "./Matrix";
import "@/kit/written.css";
import "./failures.css";

const NoteDialog = lazy(() => import("./NoteDialog"));

const PERIODS: Record<string, string> = {
  "-1h": "hour",
  "-6h": "6 hours",
  "-1d": "day",
  "-7d": "7 days",
  "-30d": "30 days",
};

const ALL: string = "/failures";
const KINDS_MAX = 50;

export default function Failures() {
  useTitle("Failures");
  const me = useMe();
  const { word, change } = useAddress();
  // One kind of failure has an address of its own: jobs lead there.
  const { signature } = useParams({ strict: false }) as { signature?: string };
  const since = word("since", signature ? "-30d" : "-1d", Object.keys(PERIODS));
  const by = word("by", "site", ["site", "owner"]) as "site" | "owner";
  const onlyNew = word("new", "") === "1";
  const [noted, setNoted] = useState<Cluster>();
  const found = useQuery({
    queryKey: ["failures", since, by, signature, onlyNew],
    queryFn: ({ signal }) =>
      ask<Found>("GET", "/api/jobs/failures", {
        query: {
          since: `${momentBefore(new Date(), since)}Z`,
          by,
          signature,
          new: onlyNew || undefined,
          limit: KINDS_MAX,
        },
        signal,
      }),
  });
  const clusters = found.data?.clusters ?? [];
  const total = clusters.reduce((sum, each) => sum + each.count, 0);
  return (
    <div className="written">
      <div className="head">
        <h1>Failures</h1>
        {clusters.length > 0 && (
          <span className="faint" role="status">
            {plural(total, "failure")} in{" "}
            {clusters.length < KINDS_MAX
              ? plural(clusters.length, "kind")
              : `the ${KINDS_MAX} most frequent kinds`}
          </span>
        )}
        <span className="grow" />
        <Button
          size="compact-sm"
          variant="default"
          loading={found.isFetching}
          onClick={() => found.refetch()}
        >
          Refresh
        </Button>
      </div>
      <div className="controls">
        <label>
          Last
          <select value={since} onChange={(event) => change({ since: event.target.value })}>
            {Object.entries(PERIODS).map(([value, title]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <SegmentedControl
          size="xs"
          aria-label="Group by"
          data={[
            { value: "site", label: "By site" },
            { value: "owner", label: "By owner" },
          ]}
          value={by}
          onChange={(value) => change({ by: value })}
        />
        <label className="inline">
          <input
            type="checkbox"
            checked={onlyNew}
            onChange={(event) => change({ new: event.target.checked ? "1" : undefined })}
          />
          Only new: not seen in the {PERIODS[since]} before
        </label>
        {signature && (
          <span>
            Only <code>{signature}</code>. <Link to={ALL}>Show all failures</Link>
          </span>
        )}
      </div>
      {found.isPending && <Waiting />}
      {found.error && <Fault error={found.error} what="The failures" onRetry={() => found.refetch()} />}
      {found.data && clusters.length === 0 && (
        <Nothing>
          {onlyNew
            ? "No new failures. Untick “only new” to see all failures."
            : "No jobs failed in this period. Choose a longer one to look further back."}
        </Nothing>
      )}
      {clusters.length > 0 && (
        <>
          <Clusters
            clusters={clusters}
            since={since}
            onNote={mayUse(me, ["JobAdministrator"]) ? setNoted : undefined}
          />
          <h2>{by === "site" ? "Failures by site" : "Failures by owner"}</h2>
          <Panel what="The matrix">
            <Matrix clusters={clusters} by={by} since={since} />
          </Panel>
        </>
      )}
      {noted && (
        <Panel what="The note">
          <NoteDialog
            cluster={noted}
            onClose={() => setNoted(undefined)}
            onDone={() => {
              setNoted(undefined);
              void found.refetch();
            }}
          />
        </Panel>
      )}
    </div>
  );
}

type ClustersProps = {
  clusters: readonly Cluster[];
  since: string;
  onNote: ((cluster: Cluster) => void) | undefined;
};

function Clusters({ clusters, since, onNote }: ClustersProps) {
  return (
    <div className="sheet-scroll" tabIndex={0} role="region" aria-label="Kinds of failures">
      <table className="sheet">
        <thead>
          <tr>
            <th scope="col">Failure</th>
            <th scope="col" className="number">
              Jobs
            </th>
            <th scope="col">Before</th>
            <th scope="col">Course</th>
            <th scope="col" className="number">
              Sites
            </th>
            <th scope="col" className="number">
              Users
            </th>
            <th scope="col">First seen</th>
            <th scope="col">Last seen</th>
          </tr>
        </thead>
        <tbody>
          {clusters.map((cluster) => (
            <tr key={`${cluster.vo} ${cluster.signature}`}>
              <td className="wide">
                <Link
                  to="/$view"
                  params={{ view: "jobs" }}
                  search={jobsOf(cluster.signature, since) as never}
                  title="Its jobs"
                >
                  {nameOf(cluster)}
                </Link>
                {cluster.cause && (
                  <div>
                    {cluster.cause}. {cluster.cure}.
                  </div>
                )}
                <Said cluster={cluster} onNote={onNote} />
              </td>
              <td className="number">{formatNumber(cluster.count)}</td>
              <td className={`nowrap ${cluster.is_new ? "toned tone-danger" : "faint"}`}>
                {changeOf(cluster)}
              </td>
              <td>
                <Sparkline values={cluster.trend} label={`Failures over time: ${cluster.trend.join(", ")}`} />
              </td>
              <td className="number" title={titleOf(cluster.sites)}>
                {formatNumber(cluster.sites_total)}
              </td>
              <td className="number" title={titleOf(cluster.users)}>
                {formatNumber(cluster.users_total)}
              </td>
              <td className="nowrap">
                {cluster.first_seen && <Time value={cluster.first_seen} isRelative />}
              </td>
              <td className="nowrap">{cluster.last_seen && <Time value={cluster.last_seen} isRelative />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Said({ cluster, onNote }: { cluster: Cluster; onNote: ((cluster: Cluster) => void) | undefined }) {
  const { note } = cluster;
  return (
    <div className="faint">
      {note && (
        <>
          {note.note} – {note.author}, <Time value={note.at} />{" "}
          {note.link && /^https?:\/\//.test(note.link) && (
            <a href={note.link} rel="noreferrer" target="_blank">
              more
            </a>
          )}{" "}
        </>
      )}
      {onNote && (
        <button
          type="button"
          className="place"
          aria-label={`${note ? "change the note" : "add a note"} on ${nameOf(cluster)}`}
          onClick={() => onNote(cluster)}
        >
          {note ? "change the note" : "add a note"}
        </button>
      )}
    </div>
  );
}

function titleOf(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${formatNumber(count)}`)
    .join(", ");
}
