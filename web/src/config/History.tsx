/** How the configuration came to be: what each commit changed, and the way back to it. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { components } from "@/generated/api";
import { ask } from "@/kit/api";
import { Fault, Nothing, Waiting } from "@/kit/Panel";
import { useAddress } from "@/kit/useAddress";
import { Time } from "@/kit/Value";
import { Diff } from "./Diff";

type Listed = components["schemas"]["RevisionListed"];
const SHOWN = 50;

export function History({ onRevert }: { onRevert: ((revision: Listed) => void) | undefined }) {
  const { word, change } = useAddress();
  const before = word("before", "");
  const chosen = word("rev", "");
  const history = useQuery({
    queryKey: ["config", "history", before],
    queryFn: ({ signal }) =>
      ask<Listed[]>("GET", "/api/config/history", { query: { limit: SHOWN, before }, signal }),
  });
  if (history.error) {
    return <Fault error={history.error} what="The history" onRetry={() => history.refetch()} />;
  }
  if (history.isPending) {
    return <Waiting />;
  }
  if (history.data.length === 0) {
    return <Nothing>No older versions.</Nothing>;
  }
  return (
    <div className="stack">
      <ol className="revisions">
        {history.data.map((revision, index) => (
          <li key={revision.Revision}>
            <div className="head">
              <button
                type="button"
                className="place"
                aria-expanded={chosen === revision.Revision}
                onClick={() => change({ rev: chosen === revision.Revision ? undefined : revision.Revision })}
              >
                {revision.Message.split("\n")[0] || "no message"}
              </button>
              <span className="faint">
                {revision.Author}, <Time value={revision.Time} /> ·{" "}
                <span className="mono">{revision.Revision.slice(0, 10)}</span>
              </span>
              <span className="grow" />
              {onRevert && (index > 0 || before !== "") && (
                <Button size="compact-xs" variant="default" onClick={() => onRevert(revision)}>
                  Restore this version
                </Button>
              )}
            </div>
            {chosen === revision.Revision && (
              <Changed revision={revision.Revision} parent={history.data[index + 1]?.Revision} />
            )}
          </li>
        ))}
      </ol>
      {history.data.length === SHOWN && (
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => change({ before: history.data.at(-1)?.Revision, rev: undefined })}
        >
          Older
        </Button>
      )}
      {before && (
        <Button size="compact-sm" variant="default" onClick={() => change({ before: undefined })}>
          Newest
        </Button>
      )}
    </div>
  );
}

function Changed({ revision, parent }: { revision: string; parent: string | undefined }) {
  const diff = useQuery({
    queryKey: ["config", "diff", parent, revision],
    queryFn: ({ signal }) =>
      ask<{ diff: string }>("GET", "/api/config/diff", { query: { from: parent, to: revision }, signal }),
  });
  if (diff.error) {
    return <Fault error={diff.error} what="What it changed" onRetry={() => diff.refetch()} />;
  }
  return diff.isPending ? <Waiting /> : <Diff diff={diff.data.diff} label="What it changed" />;
}
