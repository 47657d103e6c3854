/** What a tab shows, by its kind. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { ApiFault, askCall, type Row } from "@/kit/api";
import { personOf } from "@/kit/listing";
import { Fault, Nothing, Waiting } from "@/kit/Panel";
import { useMe } from "@/kit/session";
import { isMapping } from "@/kit/templates";
import type { Tab, View } from "@/kit/views";
import { Fields } from "./Fields";
import { Files } from "./Files";
import { Nested } from "./Nested";
import { PlainTable } from "./PlainTable";
import { Timeline } from "./Timeline";
import type { TabProps } from "./tab";
import { Values } from "./Values";
import { Why } from "./Why";

const Log = lazy(() => import("./Log"));
const Chart = lazy(() => import("./Chart"));
const Graph = lazy(() => import("./Graph"));
const OfView = lazy(() => import("./OfView"));
const Metadata = lazy(() => import("./Metadata"));
const ExtensionModule = lazy(() => import("./ExtensionModule"));
const EVERY_MS = 5000;
/** Why something waits hangs on others, of whom no change tells. */
const WHY_EVERY_MS = 30_000;

export function TabContent({ view, tab, row, status }: { view: View; tab: Tab; row: Row; status: unknown }) {
  const isOver = view.statuses?.find((each) => each.value === String(status))?.terminal ?? false;
  if (tab.kind === "module") {
    return <ExtensionModule tab={tab} row={row} />;
  }
  if (tab.kind === "log") {
    return (
      <Suspense fallback={<Waiting />}>
        <Log view={view} tab={tab} row={row} isOver={isOver} />
      </Suspense>
    );
  }
  if (tab.view) {
    return <OfView tab={tab} row={row} />;
  }
  return tab.call ? (
    <Asked view={view} tab={tab} row={row} isOver={isOver} />
  ) : (
    <Shown view={view} tab={tab} row={row} content={row} />
  );
}

function Asked({ view, tab, row, isOver }: { view: View; tab: Tab; row: Row; isOver: boolean }) {
  const me = useMe();
  const query = useQuery({
    // What was asked for before the end is not the end.
    queryKey: ["one", view.name, String(row[view.id_column]), tab.name, tab.stream && isOver],
    queryFn: ({ signal }) =>
      tab.call ? askCall(tab.call, { ...personOf(me), ...row }, { signal }) : undefined,
    staleTime: 10_000,
    placeholderData: tab.stream ? keepPreviousData : undefined,
    refetchInterval: isOver ? false : tab.stream ? EVERY_MS : tab.kind === "why" ? WHY_EVERY_MS : false,
  });
  if (query.isPending) {
    return <Waiting />;
  }
  if (query.isError) {
    // There is nothing, and the answer says why: not yet, or never.
    return query.error instanceof ApiFault && [404, 409].includes(query.error.status) ? (
      <Nothing>{query.error.message}</Nothing>
    ) : (
      <Fault error={query.error} what={tab.title} onRetry={() => void query.refetch()} />
    );
  }
  return <Shown view={view} tab={tab} row={row} content={query.data} />;
}

function Shown(props: TabProps) {
  const { tab, content } = props;
  if (isEmpty(content)) {
    return <Nothing>No data.</Nothing>;
  }
  switch (tab.kind) {
    case "fields":
      return isMapping(content) ? <Fields {...props} content={content} /> : <PlainTable {...props} />;
    case "table":
      return <PlainTable {...props} />;
    case "timeline":
      return <Timeline {...props} />;
    case "why":
      return <Why {...props} />;
    case "files":
      return <Files {...props} />;
    case "chart":
      return (
        <Suspense fallback={<Waiting />}>
          <Chart {...props} />
        </Suspense>
      );
    case "values":
      return <Values {...props} />;
    case "metadata":
      return (
        <Suspense fallback={<Waiting />}>
          <Metadata {...props} />
        </Suspense>
      );
    case "graph":
      return (
        <Suspense fallback={<Waiting />}>
          <Graph {...props} />
        </Suspense>
      );
    default:
      return typeof content === "string" ? <pre className="text">{content}</pre> : <Nested value={content} />;
  }
}

function isEmpty(content: unknown): boolean {
  return (
    content === null ||
    content === undefined ||
    content === "" ||
    (Array.isArray(content) && content.length === 0) ||
    (isMapping(content) &&
      Object.values(content).every((value) => Array.isArray(value) && value.length === 0))
  );
}
