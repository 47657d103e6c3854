/** The rows of another view that belong to this entity. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { writeState } from "@/kit/address";
import { contentOf, type Row, send } from "@/kit/api";
import { askedColumns, columnsOf, declared, personOf, searchAt, sortOf, valuesOf } from "@/kit/listing";
import { useChanges } from "@/kit/live";
import { matching, sorted } from "@/kit/local";
import { Fault, Nothing, Waiting } from "@/kit/Panel";
import { useMe, useView } from "@/kit/session";
import type { Tab, View } from "@/kit/views";
import { PlainTable } from "./PlainTable";

const SHOWN = 50;

export default function OfView({ tab, row }: { tab: Tab; row: Row }) {
  const view = useView(tab.view ?? "");
  return view ? (
    <Rows view={view} tab={tab} row={row} />
  ) : (
    <Nothing>Your group has no access to this.</Nothing>
  );
}

function Rows({ view, tab, row }: { view: View; tab: Tab; row: Row }) {
  const me = useMe();
  const columns = columnsOf(view, {}).map((column) =>
    column.name === view.id_column && !column.link
      ? { ...column, link: `/${view.name}/{${column.name}}` }
      : column,
  );
  const conditions = declared(tab.filter, { ...personOf(me), ...row });
  const query = useQuery({
    queryKey: ["rows", view.name, "of", conditions],
    queryFn: async ({ signal }) => {
      const asked = {
        search: searchAt(conditions, new Date()),
        sort: sortOf(view, {}),
        columns: askedColumns(view, columns),
      };
      const paging = view.search.paging === "none" ? {} : { page: 1, per_page: SHOWN };
      const answer = await send(view.search, valuesOf(asked, me), {
        query: paging,
        headers: { Prefer: "count=none" },
        signal,
      });
      const rows = (await contentOf(view.search, answer)) as Row[];
      return view.search.filters ? rows : sorted(matching(rows, asked.search), asked.sort).slice(0, SHOWN);
    },
  });
  useChanges(view.events_topic, () => void query.refetch({ cancelRefetch: false }));
  if (query.isPending) {
    return <Waiting />;
  }
  if (query.isError) {
    return <Fault error={query.error} what={tab.title} onRetry={() => void query.refetch()} />;
  }
  if (query.data.length === 0) {
    return <Nothing>None.</Nothing>;
  }
  return (
    <>
      <PlainTable view={view} tab={{ ...tab, columns }} row={row} content={query.data} />
      <p>
        <Link to="/$view" params={{ view: view.name }} search={writeState({ conditions })}>
          {query.data.length === SHOWN
            ? `The first ${SHOWN}; show all in ${view.title}`
            : `Show in ${view.title}`}
        </Link>
      </p>
    </>
  );
}
