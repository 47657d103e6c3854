/** For those who look after the system: what needs attention, each kind asked for once, and only what they may see. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { ask, type Row } from "@/kit/api";
import { plural } from "@/kit/formats";
import { Fault, Waiting } from "@/kit/Panel";
import { useView } from "@/kit/session";
import { Time } from "@/kit/Value";
import { closedSites, lateQueues } from "./trouble";

const SHOWN = 5;
const QUEUES_MAX = 1_000;

export default function Trouble() {
  return (
    <section className="stack" aria-label="Needs attention">
      <h2>Needs attention</h2>
      <div className="cards">
        <Kind
          view="sites"
          title="Banned and draining sites"
          find={async (signal) => closedSites(await ask<Row[]>("GET", "/api/matcher/sites", { signal }))}
          show={(row) => (
            <>
              <Entity view="sites" id={row.site} /> {row.draining ? "draining" : String(row.status)}
              {row.reason ? `: ${row.reason}` : ""}
            </>
          )}
        />
        <Kind
          view="hosts"
          title="Unhealthy hosts"
          find={(signal) => ask<Row[]>("GET", "/api/pilots/hosts", { signal })}
          show={(row) => `${row.host} at ${row.site}: ${row.reason || row.standing}`}
        />
        <Kind
          view="dead-letters"
          title="Dead letters"
          find={(signal) =>
            ask<Row[]>("POST", "/api/tasks/dead/search", {
              query: { per_page: SHOWN + 1 },
              body: {
                parameters: ["id", "task", "error", "died_at"],
                search: [],
                sort: [{ parameter: "id", direction: "desc" }],
              },
              signal,
            })
          }
          show={(row) => (
            <>
              <Entity view="dead-letters" id={row.id} /> {String(row.task)}, <Time value={row.died_at} />
            </>
          )}
        />
        <Kind
          view="task-queues"
          title="Queues waiting for more than a day"
          find={async (signal) => {
            const query = { limit: QUEUES_MAX };
            return lateQueues(await ask<Row[]>("GET", "/api/task-queues", { query, signal }), new Date());
          }}
          show={(row) => (
            <>
              <Entity view="task-queues" id={row.class_id} /> {plural(Number(row.waiting), "job")} of{" "}
              {String(row.owner)}, <Time value={row.waiting_since} />
            </>
          )}
        />
      </div>
    </section>
  );
}

type KindProps = {
  /** The list that has all of them; who may not see it is not shown this either. */
  view: string;
  title: string;
  find: (signal: AbortSignal) => Promise<Row[]>;
  show: (row: Row) => ReactNode;
};

function Kind({ view, title, find, show }: KindProps) {
  const isSeen = useView(view) !== undefined;
  const found = useQuery({
    queryKey: ["home", "trouble", view],
    queryFn: ({ signal }) => find(signal),
    enabled: isSeen,
  });
  if (!isSeen) {
    return null;
  }
  const rows = found.data ?? [];
  return (
    <section className="card" aria-label={title}>
      <strong>{title}</strong>
      {found.error && <Fault error={found.error} what={title} onRetry={() => found.refetch()} />}
      {found.isPending && <Waiting />}
      {found.data && rows.length === 0 && <span className="faint">None.</span>}
      {rows.length > 0 && (
        <ul className="revisions">
          {rows.slice(0, SHOWN).map((row, index) => (
            <li key={index}>{show(row)}</li>
          ))}
        </ul>
      )}
      {rows.length > SHOWN && (
        <Link to="/$view" params={{ view }}>
          View all
        </Link>
      )}
    </section>
  );
}

function Entity({ view, id }: { view: string; id: unknown }) {
  return (
    <Link to="/$view/$id" params={{ view, id: String(id) }}>
      {String(id)}
    </Link>
  );
}
