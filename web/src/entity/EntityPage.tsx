/** The list of any view: filter, counts, table, and beside it what is open. */

import { useParams } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Row, refusalOf } from "@/kit/api";
import { countOf } from "@/kit/formats";
import { useKeys } from "@/kit/keys";
import { askedColumns, columnsOf, conditionsOf, keyOf, searchAt, sortOf } from "@/kit/listing";
import { NotHere } from "@/kit/NotHere";
import { Fault, Nothing, Panel, Waiting } from "@/kit/Panel";
import { usePreferences } from "@/kit/preferences";
import { useMe, useView } from "@/kit/session";
import { useTitle } from "@/kit/useTitle";
import type { View } from "@/kit/views";
import { EntityTable } from "./EntityTable";
import { FilterBar } from "./FilterBar";
import { Remarks } from "./Remarks";
import { Toolbar } from "./Toolbar";
import { useChosen } from "./useChosen";
import { useFullView } from "./useFullView";
import { useListState } from "./useListState";
import { useLive } from "./useLive";
import { useCounts, useRows } from "./useRows";
import { useHome } from "./useTree";
import "./entity.css";

const Detail = lazy(() => import("./detail/Detail"));
// Rows come first: what is about all of them, or about those that are chosen, follows.
const SelectionBar = lazy(() => import("./SelectionBar"));
const Summary = lazy(() => import("./Summary"));
const TreePane = lazy(() => import("./TreePane"));

export default function EntityPage() {
  const { view: name } = useParams({ strict: false }) as { view: string };
  const view = useView(name);
  return view ? <EntityList key={name} view={view} /> : <NotHere name={name} />;
}

export function EntityList({ view: declared }: { view: View }) {
  const view = useFullView(declared);
  const { home, isPending: isHomeAwaited } = useHome(declared);
  const me = useMe();
  const [state, change, search] = useListState();
  useTitle(view.title);
  const preferences = usePreferences();
  const wantsAll = preferences.all?.[view.name] ?? false;
  const [epoch, setEpoch] = useState(0);
  const [window, setWindow] = useState({ start: 0, end: 0 });
  const [active, setActive] = useState(-1);
  const scroller = useRef<HTMLDivElement>(null);
  const isHovered = useRef(false);

  const conditions = useMemo(
    () => conditionsOf(view, state, me, wantsAll, home),
    [view, state, me, wantsAll, home],
  );
  const isReady = !isHomeAwaited || state.conditions !== undefined || wantsAll;
  const columns = useMemo(
    () => columnsOf(view, state, preferences.columns?.[view.name]),
    [view, state, preferences],
  );
  const text = JSON.stringify([conditions, sortOf(view, state), columns.map((column) => column.name)]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is asked changes with its text, and when it is asked anew.
  const asked = useMemo(
    () => ({
      search: searchAt(conditions, new Date()),
      sort: sortOf(view, state),
      columns: askedColumns(view, columns),
    }),
    [text, epoch],
  );
  const by = state.by ?? view.status_column ?? view.groupings?.[0];
  const counts = useCounts(view, asked, me, by);
  const total = counts.isPlaceholderData ? undefined : counts.data?.total;
  const rows = useRows(view, asked, me, window, { total, isReady });
  const chosen = useChosen(view, rows, text);
  const isBusy = () =>
    chosen.value.all ||
    chosen.value.ids.size > 0 ||
    isHovered.current ||
    (scroller.current?.scrollTop ?? 0) > 0;
  const live = useLive({ view, asked, me, rows, isBusy });

  // biome-ignore lint/correctness/useExhaustiveDependencies: another list begins at its top.
  useEffect(() => {
    setActive(-1);
    scroller.current?.scrollTo({ top: 0 });
  }, [JSON.stringify([asked.search, asked.sort])]);

  const open = useCallback(
    (row: Row) => change({ sel: keyOf(view, row) }, { replace: state.sel !== undefined }),
    [change, view, state.sel],
  );
  const step = (by: number) => setActive((at) => Math.max(0, Math.min(rows.count - 1, at + by)));
  const refresh = () => {
    setEpoch((n) => n + 1);
    live.refresh();
  };
  useKeys({
    j: () => step(1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    ArrowUp: () => step(-1),
    x: () => active >= 0 && chosen.toggle(active, false),
    Enter: () => {
      const row = rows.at(active);
      if (row) {
        open(row);
      }
    },
    Escape: () =>
      chosen.value.ids.size > 0 || chosen.value.all
        ? chosen.clear()
        : change({ sel: undefined, tab: undefined }),
    f: () => document.querySelector<HTMLInputElement>("#filter")?.focus(),
    r: refresh,
    p: () => live.setPause(!live.isPaused),
  });

  const given = { view, me, state, change, conditions, columns, asked, counts: counts.data };
  return (
    <div
      className="entity"
      data-open={state.sel !== undefined || undefined}
      data-tree={Boolean(view.tree) || undefined}
    >
      {view.tree && (
        <Panel what="The tree">
          <TreePane {...given} />
        </Panel>
      )}
      <div className="entity-list">
        <Toolbar
          {...given}
          rows={rows}
          live={live}
          onRefresh={refresh}
          todo={typeof search.do === "string" ? search.do : undefined}
          count={
            rows.isCountKnown ? countOf(rows.count, view) : `more than ${countOf(rows.loaded.length, view)}`
          }
        />
        <FilterBar {...given} refused={rows.error} />
        <Panel what="The summary">
          <Summary
            {...given}
            by={by}
            isPending={counts.isPending && counts.fetchStatus !== "idle"}
            error={counts.error}
          />
        </Panel>
        {chosen.value.ids.size > 0 || chosen.value.all ? (
          <Suspense fallback={null}>
            <SelectionBar {...given} rows={rows} chosen={chosen} />
          </Suspense>
        ) : null}
        <div
          className="entity-rows"
          onMouseEnter={() => {
            isHovered.current = true;
          }}
          onMouseLeave={() => {
            isHovered.current = false;
          }}
        >
          <Remarks view={view} rows={rows} />
          {rows.error && rows.count > 0 ? (
            <p className="strip" role="alert">
              Some rows could not be loaded:{" "}
              {rows.error instanceof Error ? rows.error.message : String(rows.error)}
              <button type="button" className="as-link" onClick={refresh}>
                Try again
              </button>
            </p>
          ) : null}
          {rows.count === 0 && refusalOf(rows.error) ? (
            <Nothing>Fix the filter above to see results.</Nothing>
          ) : rows.error && rows.count === 0 ? (
            <Fault error={rows.error} what={view.title} onRetry={refresh} />
          ) : rows.isPending ? (
            <Waiting />
          ) : (
            <EntityTable
              view={view}
              columns={columns}
              rows={rows}
              sort={asked.sort}
              onSort={(sort) => change({ sort })}
              active={active}
              onActive={setActive}
              open={state.sel}
              onOpen={open}
              chosen={chosen.value}
              onChoose={chosen.toggle}
              onChooseAll={chosen.toggleLoaded}
              onWindow={setWindow}
              scroller={scroller}
            />
          )}
          {!rows.isPending && !rows.error && rows.count === 0 && (
            <Nothing>
              <div>
                {conditions.length > 0 ? "No matches." : `No ${view.title.toLowerCase()}.`}
                {conditions.length > 0 && (
                  <button type="button" className="as-link" onClick={() => change({ conditions: [] })}>
                    Show all
                  </button>
                )}
              </div>
            </Nothing>
          )}
        </div>
      </div>
      {state.sel !== undefined && (
        <aside className="entity-detail" aria-label={`${view.title}: ${state.sel}`}>
          <Panel what="The details" key={state.sel}>
            <Suspense fallback={<Waiting />}>
              <Detail
                view={declared}
                id={state.sel}
                tab={state.tab}
                onTab={(tab) => change({ tab }, { replace: true })}
                onClose={() => change({ sel: undefined, tab: undefined })}
              />
            </Suspense>
          </Panel>
        </aside>
      )}
    </div>
  );
}
