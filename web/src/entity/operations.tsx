/** Orders that are under way: a way back as long as there is one, how far they are, and how they ended. */

import { Button, CloseButton } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { components } from "@/generated/api";
import { ask } from "@/kit/api";
import { formatNumber } from "@/kit/formats";
import { Store, useStore } from "@/kit/store";
import { sayFault } from "@/kit/toasts";

type Followed = { id: string; title: string; undoS: number; onEnd: () => void };

type Operation = components["schemas"]["Operation"];

const ASK_MS = 1500;
const followed = new Store<Followed[]>([]);

export function followOperation(operation: Followed): void {
  followed.set([...followed.get(), operation]);
}

export function Operations() {
  const all = useStore(followed);
  return (
    <section className="operations" aria-label="Running operations">
      {all.map((each) => (
        <OneOperation
          key={each.id}
          operation={each}
          onClose={() => followed.set(followed.get().filter(({ id }) => id !== each.id))}
        />
      ))}
    </section>
  );
}

function OneOperation({ operation, onClose }: { operation: Followed; onClose: () => void }) {
  const queries = useQueryClient();
  const path = `/api/operations/${encodeURIComponent(operation.id)}`;
  const key = ["operation", operation.id];
  const query = useQuery({
    queryKey: key,
    queryFn: () => ask<Operation>("GET", path),
    refetchInterval: ({ state }) => (state.data && isOver(state.data) ? false : ASK_MS),
  });
  const found = query.data;
  const state = found?.state;
  const left = useSecondsUntil(state === "waiting" ? found?.starts_at : undefined);
  const { onEnd } = operation;
  useEffect(() => {
    if (state === "done" || state === "failed" || state === "cancelled") {
      onEnd();
    }
  }, [state, onEnd]);

  const cancel = async () => {
    try {
      queries.setQueryData(key, await ask<Operation>("DELETE", path));
    } catch (error) {
      sayFault(error, "Undoing it");
    }
  };
  return (
    <div className="operation" role="status">
      <div>
        <Link to="/$view/$id" params={{ view: "operations", id: operation.id }}>
          <strong>{operation.title}</strong>
        </Link>
        <div className="faint">
          {!found && "…"}
          {state === "waiting" && (left > 0 ? `starts in ${left} s` : "starting")}
          {state === "running" && `${formatNumber(found?.done ?? 0)} of ${formatNumber(found?.total ?? 0)}`}
          {state === "done" && `done: ${formatNumber(found?.done ?? 0)}`}
          {state === "cancelled" &&
            `cancelled${found?.done ? `; ${formatNumber(found.done)} were already done` : ""}`}
          {state === "failed" && (found?.detail ?? "failed")}
          {found &&
            found.failed > 0 &&
            `, failed for ${formatNumber(found.failed)}: ${found.errors[0]?.reason ?? ""}`}
        </div>
        {state === "running" && (
          <progress max={found?.total} value={(found?.done ?? 0) + (found?.failed ?? 0)} />
        )}
      </div>
      {found && !isOver(found) ? (
        <Button size="compact-sm" variant="default" onClick={() => void cancel()}>
          {state === "waiting" ? "Undo" : "Stop"}
        </Button>
      ) : (
        <CloseButton aria-label="Close" onClick={onClose} />
      )}
    </div>
  );
}

function isOver({ state }: Operation): boolean {
  return state === "done" || state === "cancelled" || state === "failed";
}

function useSecondsUntil(moment: string | undefined): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (moment === undefined) {
      return;
    }
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [moment]);
  return moment === undefined ? 0 : Math.max(0, Math.ceil((new Date(moment).getTime() - now) / 1000));
}
