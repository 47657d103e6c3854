/** What a tab shows, by its kind. */

import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { askCall, type Row } from "@/kit/api";
import { personOf } from "@/kit/listing";
import { Fault, Nothing, Waiting } from "@/kit/Panel";
import { useMe } from "@/kit/session";
import { isMapping } from "@/kit/templates";
import type { Tab, View } from "@/kit/views";
import { Fields } from "./Fields";
import { Files } from "./Files";
import { PlainTable } from "./PlainTable";
import { Timeline } from "./Timeline";
import type { TabProps } from "./tab";
import { Why } from "./Why";

const Log = lazy(() => import("./Log"));
const Chart = lazy(() => import("./Chart"));
const OfView = lazy(() => import("./OfView"));
const ExtensionModule = lazy(() => import("./ExtensionModule"));

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
    <Asked view={view} tab={tab} row={row} />
  ) : (
    <Shown view={view} tab={tab} row={row} content={row} />
  );
}

function Asked({ view, tab, row }: { view: View; tab: Tab; row: Row }) {
  const me = useMe();
  const query = useQuery({
    queryKey: ["one", view.name, String(row[view.id_column]), tab.name],
    queryFn: ({ signal }) =>
      tab.call ? askCall(tab.call, { ...personOf(me), ...row }, { signal }) : undefined,
    staleTime: 10_000,
  });
  if (query.isPending) {
    return <Waiting />;
  }
  if (query.isError) {
    return <Fault error={query.error} what={tab.title} onRetry={() => void query.refetch()} />;
  }
  return <Shown view={view} tab={tab} row={row} content={query.data} />;
}

function Shown(props: TabProps) {
  const { tab, content } = props;
  if (isEmpty(content)) {
    return <Nothing>There is nothing here.</Nothing>;
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
    case "text":
      return (
        <pre className="text">{typeof content === "string" ? content : JSON.stringify(content, null, 2)}</pre>
      );
    default:
      return (
        <pre className="text">{typeof content === "string" ? content : JSON.stringify(content, null, 2)}</pre>
      );
  }
}

function isEmpty(content: unknown): boolean {
  return (
    content === null ||
    content === undefined ||
    content === "" ||
    (Array.isArray(content) && content.length === 0) ||
    (isMapping(content) && Object.keys(content).length === 0)
  );
}
