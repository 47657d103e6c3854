/** The head of a list: what it is, how many, whether it is live, and what can be done with the list itself. */

import { ActionIcon, Button, Menu } from "@mantine/core";
import {
  IconBookmark,
  IconColumns3,
  IconCopy,
  IconDownload,
  IconPlayerPause,
  IconPlayerPlay,
  IconRefresh,
} from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import { NamedIcon } from "@/kit/icons";
import { asCommand, asCurl, valuesOf } from "@/kit/listing";
import { liveState } from "@/kit/live";
import { useStore } from "@/kit/store";
import { say, sayFault } from "@/kit/toasts";
import type { Action } from "@/kit/views";
import type { Given } from "./given";
import type { useLive } from "./useLive";
import type { Rows } from "./useRows";

const ColumnChooser = lazy(() => import("./ColumnChooser"));
const SavedViews = lazy(() => import("./SavedViews"));
const ExportDialog = lazy(() => import("./ExportDialog"));
const ActionDialog = lazy(() => import("./ActionDialog"));

type Props = Given & {
  rows: Rows;
  live: ReturnType<typeof useLive>;
  onRefresh: () => void;
  count: string;
  todo?: string;
};

export function Toolbar(props: Props) {
  const { view, live, onRefresh, count } = props;
  const [over, setOver] = useState<"columns" | "saved" | "export">();
  const [action, setAction] = useState<Action | undefined>(
    view.actions?.find((each) => each.view && each.name === props.todo),
  );
  const making = (view.actions ?? []).filter((each) => each.view);
  return (
    <div className="toolbar">
      <h1>{view.title}</h1>
      <span className="faint count" aria-live="polite">
        {props.rows.isPending ? "" : count}
      </span>
      <LiveMark live={live} hasTopic={Boolean(view.events_topic)} />
      <span className="grow" />
      {making.map((each) => (
        <Button
          key={each.name}
          size="compact-sm"
          variant={each.destructive ? "default" : "filled"}
          className={each.destructive ? "destructive" : undefined}
          title={each.help}
          leftSection={<NamedIcon name={each.icon ?? "plus"} />}
          onClick={() => setAction(each)}
        >
          {each.title}
        </Button>
      ))}
      <Tool label="Refresh (r)" onClick={onRefresh}>
        <IconRefresh size={17} />
      </Tool>
      <Tool label="Columns" onClick={() => setOver("columns")}>
        <IconColumns3 size={17} />
      </Tool>
      <Tool label="Saved views" onClick={() => setOver("saved")}>
        <IconBookmark size={17} />
      </Tool>
      <CopyMenu {...props} />
      <Tool label="Export" onClick={() => setOver("export")}>
        <IconDownload size={17} />
      </Tool>
      <Suspense fallback={null}>
        {over === "columns" && <ColumnChooser {...props} onClose={() => setOver(undefined)} />}
        {over === "saved" && <SavedViews {...props} onClose={() => setOver(undefined)} />}
        {over === "export" && <ExportDialog {...props} onClose={() => setOver(undefined)} />}
        {action && (
          <ActionDialog view={view} action={action} rows={[]} ids={[]} onClose={() => setAction(undefined)} />
        )}
      </Suspense>
    </div>
  );
}

function Tool({
  label,
  onClick,
  children,
}: {
  label: string;
  onClick: () => void;
  children: React.ReactNode;
}) {
  return (
    <ActionIcon variant="subtle" color="gray" aria-label={label} title={label} onClick={onClick}>
      {children}
    </ActionIcon>
  );
}

function LiveMark({ live, hasTopic }: { live: ReturnType<typeof useLive>; hasTopic: boolean }) {
  const state = useStore(liveState);
  if (!hasTopic) {
    return null;
  }
  const word = live.isPaused ? "paused" : state === "off" ? "connecting" : state;
  const help = {
    live: "Updates are shown as they happen.",
    polling: "No event stream: the list is refreshed from time to time.",
    connecting: "Connecting to the event stream.",
    paused: "Updates are paused.",
  }[word];
  return (
    <>
      <button
        type="button"
        className={`live live-${word}`}
        title={help}
        aria-pressed={live.isPaused}
        aria-label={`${word}: ${live.isPaused ? "resume updates" : "pause updates"}`}
        onClick={() => live.setPause(!live.isPaused)}
      >
        <i aria-hidden />
        {word}
        {live.isPaused ? <IconPlayerPlay size={12} /> : <IconPlayerPause size={12} />}
      </button>
      {live.pending > 0 && (
        <button
          type="button"
          className="as-link"
          onClick={() => (live.isPaused ? live.setPause(false) : live.showPending())}
        >
          {live.pending} {live.pending === 1 ? "change" : "changes"}, show
        </button>
      )}
    </>
  );
}

function CopyMenu({ view, conditions, asked, me, rows }: Props) {
  const command = asCommand(view, conditions);
  const copy = (what: string, text: string) =>
    navigator.clipboard.writeText(text).then(
      () => say(`Copied ${what}.`),
      (error: unknown) => sayFault(error, "Copying"),
    );
  return (
    <Menu position="bottom-end" width={230}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label="Copy">
          <IconCopy size={17} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {command && (
          <Menu.Item onClick={() => void copy("the command", command)}>Copy as command line</Menu.Item>
        )}
        <Menu.Item
          onClick={() =>
            void copy("the request", asCurl(view.search, valuesOf(asked, me), window.location.origin))
          }
        >
          Copy as API call (curl)
        </Menu.Item>
        <Menu.Item
          onClick={() =>
            void copy("the ids", rows.loaded.map((row) => String(row[view.id_column])).join("\n"))
          }
        >
          Copy loaded IDs
        </Menu.Item>
        <Menu.Item onClick={() => void copy("the address", window.location.href)}>Copy the address</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
