/** Keeps a list as it is now: changed rows in place, new ones when nobody is in the middle of something. */

import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { contentOf, type Row, send } from "@/kit/api";
import type { Spec } from "@/kit/filters";
import { type Asked, valuesOf } from "@/kit/listing";
import { useChanges } from "@/kit/live";
import type { Me } from "@/kit/session";
import type { View } from "@/kit/views";
import { type Rows, usePatch } from "./useRows";

const COUNTS_EVERY_MS = 10_000;
const TOGETHER_EVERY_MS = 3_000;
const IDS_MAX = 500;

type Given = { view: View; asked: Asked; me: Me | undefined; rows: Rows; isBusy: () => boolean };

export function useLive({ view, asked, me, rows, isBusy }: Given) {
  const queries = useQueryClient();
  const patch = usePatch(view);
  const [isPaused, setPaused] = useState(false);
  const [pending, setPending] = useState(0);
  const counting = useRef<ReturnType<typeof setTimeout>>(undefined);
  const gathering = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(
    () => () => {
      clearTimeout(counting.current);
      clearTimeout(gathering.current);
    },
    [],
  );

  /** Counts are asked for once in a while, however much changes. */
  const count = useCallback(() => {
    counting.current ??= setTimeout(() => {
      counting.current = undefined;
      void queries.invalidateQueries({ queryKey: ["counts", view.name] });
    }, COUNTS_EVERY_MS);
  }, [queries, view.name]);

  const together = useCallback(() => {
    gathering.current ??= setTimeout(() => {
      gathering.current = undefined;
      void queries.invalidateQueries({ queryKey: ["rows", view.name] });
    }, TOGETHER_EVERY_MS);
  }, [queries, view.name]);

  const all = useCallback(() => {
    setPending(0);
    void queries.invalidateQueries({ queryKey: ["rows", view.name] });
    void queries.invalidateQueries({ queryKey: ["whole", view.name] });
    void queries.invalidateQueries({ queryKey: ["counts", view.name] });
    void queries.invalidateQueries({ queryKey: ["one", view.name] });
  }, [queries, view.name]);

  useChanges(view.events_topic, (change) => {
    const ids = change.changed.map(String);
    if (isPaused) {
      setPending((n) => n + Math.max(ids.length, 1));
      return;
    }
    count();
    for (const id of ids) {
      void queries.invalidateQueries({ queryKey: ["one", view.name, id] });
    }
    if (view.events_topic !== view.name && view.search.paging === "page") {
      // What changed are parts of what is shown: nothing moves, but numbers do.
      together();
      return;
    }
    if (view.search.paging !== "page") {
      void queries.invalidateQueries({ queryKey: ["whole", view.name] });
      return;
    }
    const shown = new Map(rows.loaded.map((row) => [String(row[view.id_column]), row[view.id_column]]));
    const here = ids.filter((id) => shown.has(id));
    if (here.length > 0) {
      const named = here.slice(0, IDS_MAX).map((id) => shown.get(id));
      void readRows(view, asked, me, named).then(patch, () => undefined);
    }
    if (change.more || here.length < ids.length) {
      if (isBusy()) {
        setPending((n) => n + Math.max(ids.length - here.length, 1));
      } else {
        void queries.invalidateQueries({ queryKey: ["rows", view.name] });
      }
    }
  });

  const setPause = (wanted: boolean) => {
    setPaused(wanted);
    if (!wanted) {
      all();
    }
  };
  return { isPaused, setPause, pending, showPending: all, refresh: all };
}

async function readRows(view: View, asked: Asked, me: Me | undefined, ids: unknown[]): Promise<Row[]> {
  const only = { parameter: view.id_column, operator: "in", values: ids } as unknown as Spec;
  const values = valuesOf({ ...asked, search: [only], sort: [] }, me);
  const answer = await send(view.search, values, {
    query: { page: 1, per_page: ids.length },
    headers: { Prefer: "count=none" },
  });
  return (await contentOf(view.search, answer)) as Row[];
}
