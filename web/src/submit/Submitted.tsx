/** What has become of a submission: the jobs that were made, or why nothing was stored. */

import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { ApiFault } from "@/kit/api";
import { formatBytes, plural } from "@/kit/formats";
import { idRanges } from "./descriptions";
import type { Inserted, Progress } from "./useSubmission";

export function Submitted({ inserted }: { inserted: Inserted[] }) {
  const ids = inserted.map((each) => each.JobID);
  const [first, last] = ids.reduce(([low, high], id) => [Math.min(low, id), Math.max(high, id)], [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ] as [number, number]);
  const f = [`JobID:gt:${first - 1}`, `JobID:lt:${last + 1}`];
  return (
    <p className="note tone-success" role="status">
      <strong>{plural(ids.length, "job")} submitted:</strong> {idRanges(ids)}.{" "}
      {ids.length === 1 ? (
        <Link to="/$view/$id" params={{ view: "jobs", id: String(first) }}>
          View job
        </Link>
      ) : (
        <Link to="/$view" params={{ view: "jobs" }} search={{ f } as never}>
          View jobs
        </Link>
      )}
    </p>
  );
}

export function NotStored({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const fault = error instanceof ApiFault ? error : undefined;
  return (
    <div className="note tone-danger" role="alert">
      <strong>Your files were not uploaded, and nothing was submitted.</strong>
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {fault?.requestId && <p className="faint mono">request {fault.requestId}</p>}
      <Button size="compact-sm" variant="default" onClick={onRetry}>
        Try again
      </Button>
    </div>
  );
}

export function Sending({ progress: { sent, size }, onStop }: { progress: Progress; onStop: () => void }) {
  return (
    <div className="head">
      <progress className="grow" aria-label="Upload of the files" value={sent} max={size} />
      <span className="faint">
        {formatBytes(sent)} of {formatBytes(size)}
      </span>
      <Button size="compact-sm" variant="default" onClick={onStop}>
        Stop
      </Button>
    </div>
  );
}
