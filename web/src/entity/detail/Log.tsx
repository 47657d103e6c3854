/** A log: everything in it is text; it grows while its entity lives, and follows its end until somebody scrolls up. */

import { ActionIcon, TextInput } from "@mantine/core";
import { IconDownload, IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { linesOf, spansOf } from "@/kit/ansi";
import { ApiFault, askCall, type Row } from "@/kit/api";
import { formatNumber } from "@/kit/formats";
import { personOf } from "@/kit/listing";
import { Fault, Nothing, Waiting } from "@/kit/Panel";
import { useMe } from "@/kit/session";
import type { Tab, View } from "@/kit/views";

const EVERY_MS = 5000;
const LINE_PX = 18;

export default function Log({ view, tab, row, isOver }: { view: View; tab: Tab; row: Row; isOver: boolean }) {
  const me = useMe();
  const [isFollowing, setFollowing] = useState(true);
  const [wanted, setWanted] = useState("");
  const scroller = useRef<HTMLDivElement>(null);
  const query = useQuery({
    queryKey: ["log", view.name, String(row[view.id_column]), tab.name],
    queryFn: async ({ signal }) => {
      const content = tab.call ? await askCall(tab.call, { ...personOf(me), ...row }, { signal }) : "";
      return typeof content === "string"
        ? content
        : content === null || content === undefined
          ? ""
          : JSON.stringify(content, null, 2);
    },
    refetchInterval: tab.stream && !isOver && isFollowing ? EVERY_MS : false,
    refetchIntervalInBackground: false,
  });
  const text = query.data ?? "";
  const lines = useMemo(() => {
    const all = linesOf(text);
    return wanted ? all.filter((line) => line.toLowerCase().includes(wanted.toLowerCase())) : all;
  }, [text, wanted]);
  const list = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_PX,
    overscan: 20,
  });
  useEffect(() => {
    if (isFollowing && lines.length > 0) {
      list.scrollToIndex(lines.length - 1);
    }
  }, [lines.length, isFollowing, list]);

  if (query.isPending) {
    return <Waiting />;
  }
  if (query.isError && text === "") {
    return query.error instanceof ApiFault && query.error.status === 404 ? (
      <Nothing>{query.error.message}</Nothing>
    ) : (
      <Fault error={query.error} what={tab.title} onRetry={() => void query.refetch()} />
    );
  }
  const save = () => {
    const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = `${view.name}-${String(row[view.id_column])}-${tab.name}.txt`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  return (
    <div className="log">
      <div className="log-head">
        <TextInput
          size="xs"
          placeholder="Only lines with…"
          aria-label="Only lines with"
          value={wanted}
          onChange={(event) => setWanted(event.target.value)}
        />
        <span className="faint">
          {formatNumber(lines.length)} lines
          {tab.stream && !isOver ? (isFollowing ? ", growing" : ", paused") : ""}
        </span>
        <span className="grow" />
        {tab.stream && !isOver && (
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={isFollowing ? "Pause" : "Follow"}
            onClick={() => setFollowing(!isFollowing)}
          >
            {isFollowing ? <IconPlayerPause size={16} /> : <IconPlayerPlay size={16} />}
          </ActionIcon>
        )}
        <ActionIcon variant="subtle" color="gray" aria-label="Save as a file" onClick={save}>
          <IconDownload size={16} />
        </ActionIcon>
      </div>
      {lines.length === 0 ? (
        <Nothing>
          {wanted
            ? "No line has this."
            : isOver
              ? "Nothing was written, or nothing of it is kept here."
              : "Nothing has been written yet."}
        </Nothing>
      ) : (
        <section
          className="log-lines"
          ref={scroller}
          tabIndex={0}
          aria-label={tab.title}
          onWheel={(event) => event.deltaY < 0 && setFollowing(false)}
        >
          <div style={{ height: list.getTotalSize() }}>
            {list.getVirtualItems().map((item) => (
              <div
                key={item.key}
                data-index={item.index}
                ref={list.measureElement}
                style={{ transform: `translateY(${item.start}px)` }}
              >
                {spansOf(lines[item.index] ?? "").map((span, index) => (
                  <span
                    key={index}
                    className={span.tone ? `toned tone-${span.tone}` : undefined}
                    style={span.bold ? { fontWeight: 700 } : undefined}
                  >
                    {span.text}
                  </span>
                ))}
                {lines[item.index] === "" && "\u00a0"}
              </div>
            ))}
          </div>
        </section>
      )}
    </div>
  );
}
