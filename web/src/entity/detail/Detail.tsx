/** One entity: what it is, what can be done with it, and its tabs. */

import { ActionIcon, Button, CloseButton, Menu } from "@mantine/core";
import { IconArrowsMaximize, IconCopy, IconDots } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { useAtOnce } from "@/entity/useAtOnce";
import { ApiFault, askCall, contentOf, type Row, send } from "@/kit/api";
import type { Spec } from "@/kit/filters";
import { singular } from "@/kit/formats";
import { NamedIcon } from "@/kit/icons";
import { keyOf, partsOf, personOf, valuesOf } from "@/kit/listing";
import { useChanges } from "@/kit/live";
import { Fault, Panel, Waiting } from "@/kit/Panel";
import { StatusMark } from "@/kit/Status";
import { type Me, mayUse, useMe } from "@/kit/session";
import { isMapping } from "@/kit/templates";
import { say, sayFault } from "@/kit/toasts";
import { type Action, OVERVIEW, type Tab, type View } from "@/kit/views";
import { TabContent } from "./TabContent";

const ActionDialog = lazy(() => import("@/entity/ActionDialog"));
const BUTTONS_MAX = 3;

type Props = {
  view: View;
  id: string;
  tab: string | undefined;
  onTab: (tab: string) => void;
  onClose: () => void;
  isPage?: boolean;
};

export default function Detail({ view, id, tab, onTab, onClose, isPage }: Props) {
  const me = useMe();
  const queries = useQueryClient();
  const found = useOne(view, id, me);
  const head = useRef<HTMLHeadingElement>(null);
  useChanges(isPage ? view.events_topic : undefined, (change) => {
    if (change.more || change.changed.map(String).includes(id)) {
      // What its tabs show, too.
      void queries.invalidateQueries({ queryKey: ["one", view.name, id] });
    }
  });
  // Whoever opens it by keyboard goes on in it.
  useEffect(() => {
    if (document.activeElement === document.body) {
      head.current?.focus({ preventScroll: true });
    }
  }, []);

  // Where an id has several parts, what is open is called by its own; the fields below have the others.
  const row = found.data;
  const called = view.name_column ? row?.[view.name_column] : undefined;
  const name = String(called ?? partsOf(view, id)[view.id_column] ?? id);
  const Heading = isPage ? "h1" : "h2";
  const status = view.status_column ? row?.[view.status_column] : undefined;
  const tabs = (view.tabs?.length ? view.tabs : [OVERVIEW]).filter(
    (each) =>
      mayUse(me, each.needs) &&
      (!each.when?.length || each.when.includes(String(status))) &&
      (!each.has || Boolean(row?.[each.has])),
  );
  const shown = tabs.find((each) => each.name === tab) ?? tabs[0] ?? OVERVIEW;
  return (
    <article className="detail">
      <header className="detail-head">
        <Heading tabIndex={-1} ref={head}>
          {singular(view)} {name}
        </Heading>
        {status !== undefined && <StatusMark view={view} value={status} large />}
        <span className="grow" />
        {!isPage && (
          <>
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label="Open as a page"
              renderRoot={(given) => (
                <Link
                  to="/$view/$id"
                  params={{ view: view.name, id }}
                  search={tab ? { tab } : {}}
                  {...given}
                />
              )}
            >
              <IconArrowsMaximize size={16} />
            </ActionIcon>
            <CloseButton aria-label="Close (Esc)" onClick={onClose} />
          </>
        )}
      </header>
      {found.isPending && <Waiting />}
      {found.isError && !row && (
        <Gone error={found.error} view={view} id={id} onRetry={() => void found.refetch()} />
      )}
      {row && (
        <>
          {found.isError && (
            <Gone error={found.error} view={view} id={id} onRetry={() => void found.refetch()} />
          )}
          <Actions view={view} row={row} status={status} me={me} />
          <Tabs tabs={tabs} shown={shown} onTab={onTab} />
          <div className="tab" role="tabpanel" aria-labelledby={`tab-${shown.name}`} id="tab-panel">
            <Panel what={shown.title} key={shown.name}>
              <TabContent view={view} tab={shown} row={row} status={status} />
            </Panel>
          </div>
        </>
      )}
    </article>
  );
}

function useOne(view: View, id: string, me: Me | undefined) {
  return useQuery({
    queryKey: ["one", view.name, id],
    queryFn: async ({ signal }): Promise<Row> => {
      const parts = partsOf(view, id);
      const own = parts[view.id_column];
      if (view.get) {
        const found = await askCall(view.get, { ...personOf(me), ...parts }, { signal });
        const only = Array.isArray(found) ? rowIn(found as Row[], view, id) : found;
        if (!isMapping(only)) {
          throw new ApiFault(404, "", NOT_THERE);
        }
        return { ...parts, ...only };
      }
      const search: Spec[] = [{ parameter: view.id_column, operator: "eq", value: String(own) }];
      const columns = view.columns.filter(({ shown }) => shown !== false).map(({ name }) => name);
      const query = view.search.paging === "none" ? {} : { page: 1, per_page: 1 };
      const answer = await send(view.search, valuesOf({ search, sort: [], columns }, me), { query, signal });
      const content = await contentOf(view.search, answer);
      const row = Array.isArray(content) ? rowIn(content as Row[], view, id) : undefined;
      if (!row) {
        throw new ApiFault(404, "", NOT_THERE);
      }
      return row;
    },
    staleTime: 10_000,
  });
}

/** A link may name only the id where several rows have it: the first of them is shown. */
function rowIn(rows: Row[], view: View, id: string): Row | undefined {
  return (
    rows.find((row) => keyOf(view, row) === id) ?? rows.find((row) => String(row[view.id_column]) === id)
  );
}

const NOT_THERE = "This does not exist, or you may not see it. It may have been deleted while you looked.";

function Gone({ error, view, id, onRetry }: { error: unknown; view: View; id: string; onRetry: () => void }) {
  return <Fault error={error} what={`${singular(view)} ${id}`} onRetry={onRetry} />;
}

/** Tabs by the keyboard as people know them: arrows move, and what is reached is shown. */
function Tabs({ tabs, shown, onTab }: { tabs: Tab[]; shown: Tab; onTab: (tab: string) => void }) {
  // On a narrow screen the row of tabs scrolls: the one that is shown is in sight.
  useEffect(() => {
    document.getElementById(`tab-${shown.name}`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [shown.name]);
  const move = (event: React.KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const next = tabs[(tabs.indexOf(shown) + step + tabs.length) % tabs.length];
    if (step !== 0 && next) {
      event.preventDefault();
      onTab(next.name);
      document.getElementById(`tab-${next.name}`)?.focus();
    }
  };
  return (
    <div className="tabs" role="tablist" aria-label="Parts" onKeyDown={move}>
      {tabs.map((each) => (
        <button
          key={each.name}
          id={`tab-${each.name}`}
          type="button"
          role="tab"
          aria-selected={each === shown}
          aria-controls="tab-panel"
          tabIndex={each === shown ? 0 : -1}
          onClick={() => onTab(each.name)}
        >
          {each.title}
        </button>
      ))}
    </div>
  );
}

function Actions({ view, row, status, me }: { view: View; row: Row; status: unknown; me: Me | undefined }) {
  const [action, setAction] = useState<Action>();
  const usable = (view.actions ?? []).filter(
    (each) =>
      !each.view && mayUse(me, each.needs) && (!each.when?.length || each.when.includes(String(status))),
  );
  const first = usable.slice(0, BUTTONS_MAX);
  const rest = usable.slice(BUTTONS_MAX);
  const ids = [row[view.id_column]];
  const doAtOnce = useAtOnce(view, me);
  const start = (each: Action) => doAtOnce(each, [row]) || setAction(each);
  const copy = () =>
    void navigator.clipboard.writeText(window.location.href).then(
      () => say("Copied the address."),
      (error: unknown) => sayFault(error, "Copying"),
    );
  return (
    <div className="detail-actions">
      {first.map((each) => (
        <Button
          key={each.name}
          size="compact-sm"
          variant="default"
          className={each.destructive ? "destructive" : undefined}
          title={each.help}
          leftSection={<NamedIcon name={each.icon ?? "bolt"} />}
          onClick={() => start(each)}
        >
          {each.title}
        </Button>
      ))}
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="default" size="sm" aria-label="More">
            <IconDots size={15} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {rest.map((each) => (
            <Menu.Item
              key={each.name}
              leftSection={<NamedIcon name={each.icon ?? "bolt"} />}
              onClick={() => start(each)}
            >
              {each.title}
            </Menu.Item>
          ))}
          <Menu.Item leftSection={<IconCopy size={16} />} onClick={copy}>
            Copy the address
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Suspense fallback={null}>
        {action && (
          <ActionDialog
            view={view}
            action={action}
            rows={[row]}
            ids={ids}
            onClose={() => setAction(undefined)}
          />
        )}
      </Suspense>
    </div>
  );
}
