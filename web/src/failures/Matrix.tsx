/** Which failure is where, or whose: a number in each cell, and the stronger its colour the larger it is. */

import { Link } from "@tanstack/react-router";
import { formatNumber } from "@/kit/formats";
import { type Cluster, columnsOf, countsOf, jobsOf, nameOf, strength } from "./clusters";

type Props = { clusters: readonly Cluster[]; by: "site" | "owner"; since: string };

export function Matrix({ clusters, by, since }: Props) {
  const columns = columnsOf(clusters, by);
  const highest = Math.max(0, ...clusters.flatMap((each) => Object.values(countsOf(each, by))));
  return (
    <div className="sheet-scroll" tabIndex={0} role="region" aria-label={`Failures by ${by}`}>
      <table className="sheet matrix">
        <thead>
          <tr>
            <th scope="col">Failure</th>
            {columns.map((name) => (
              <th key={name} scope="col" className="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {clusters.map((cluster) => (
            <tr key={`${cluster.vo} ${cluster.signature}`}>
              <th scope="row" title={nameOf(cluster)}>
                <span className="cut">{nameOf(cluster)}</span>
              </th>
              {columns.map((name) => {
                const count = countsOf(cluster, by)[name] ?? 0;
                const place = { name: by === "site" ? "Site" : "Owner", value: name };
                const background = `color-mix(in srgb, var(--danger-fill) ${strength(count, highest)}%, var(--bg))`;
                return (
                  <td key={name} className="number" style={count ? { background } : undefined}>
                    {count ? (
                      <Link
                        to="/$view"
                        params={{ view: "jobs" }}
                        search={jobsOf(cluster.signature, since, place) as never}
                        aria-label={`${count} at ${name}`}
                      >
                        {formatNumber(count)}
                      </Link>
                    ) : (
                      ""
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
