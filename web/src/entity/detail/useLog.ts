/** What is known of a log: its last lines while its entity lives, the whole of it once that is over. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { askCall, type Row } from "@/kit/api";
import { formatBytes } from "@/kit/formats";
import { personOf } from "@/kit/listing";
import { useMe } from "@/kit/session";
import { isMapping } from "@/kit/templates";
import type { Tab, View } from "@/kit/views";
import { answered, readWhole } from "./wholeLog";

const EVERY_MS = 5000;
const KEPT_MS = 60_000;

type Way = { isOver: boolean; isFollowing: boolean };

export function useLog(view: View, tab: Tab, row: Row, { isOver, isFollowing }: Way) {
  const me = useMe();
  const [progress, setProgress] = useState<string>();
  const key = [view.name, String(row[view.id_column]), tab.name];
  const query = useQuery({
    // What was asked for before the end is not the end.
    queryKey: ["log", ...key, isOver],
    queryFn: async ({ signal }) => {
      const content = tab.call ? await askCall(tab.call, { ...personOf(me), ...row }, { signal }) : "";
      return answered(
        isMapping(content) && !("text" in content) ? JSON.stringify(content, null, 2) : content,
      );
    },
    refetchInterval: tab.stream && !isOver && isFollowing ? EVERY_MS : false,
    refetchIntervalInBackground: false,
  });
  const said = query.data;
  const { sandbox, file } = said ?? {};
  const whole = useQuery({
    queryKey: ["log", ...key, "whole", sandbox, file],
    queryFn: () =>
      readWhole(tab, row, { sandbox: sandbox ?? "", file: file ?? "" }, (bytes, size) =>
        setProgress(`Reading ${formatBytes(bytes)} of ${formatBytes(size)}`),
      ),
    enabled: Boolean(isOver && tab.file && sandbox && file),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: KEPT_MS,
    retry: false,
  });
  return { query, said, whole, progress };
}
