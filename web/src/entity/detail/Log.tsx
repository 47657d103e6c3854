/**
 * A log: everything in it is text; it grows while its entity lives, and follows its end until somebody scrolls up. Once its
 * entity is over, the whole of it comes from the store.
 */

import { ActionIcon, TextInput } from "@mantine/core";
import { IconDownload, IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { linesOf, spansOf } from "@/kit/ansi";
import { ApiFault, type Row } from "@/kit/api";
import { formatBytes, plural } from "@/kit/formats";
import { Fault, Nothing, Waiting } from "@/kit/Panel";
import { Time } from "@/kit/Value";
import type { Tab, View } from "@/kit/views";
import { saveAs } from "./saving";
import { useLog } from "./useLog";
import { SHOWN_MAX } from "./wholeLog";

const LINE_PX = 18;

export default function Log({ view, tab, row, isOver }: { view: View; tab: Tab; row: Row; isOver: boolean }) {
  const [isFollowing, setFollowing] = useState(true);
  const [wanted, setWanted] = useState("");
  const scroller = useRef<HTMLDivElement>(null);
  const { query, said, whole, progress } = useLog(view, tab, row, { isOver, isFollowing });
  // What was sent while it ran is part of the whole, which takes its place.
  const found = whole.data;
  const isWhole = found?.state === "here" || found?.state === "empty";
  const text = isWhole ? found.text : (said?.text ?? "");
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

  if (query.isPending || whole.isLoading) {
    return <Waiting what={progress ?? "Loading"} />;
  }
  if (query.isError && text === "") {
    return query.error instanceof ApiFault && query.error.status === 404 ? (
      <Nothing>{query.error.message}</Nothing>
    ) : (
      <Fault error={query.error} what={tab.title} onRetry={() => void query.refetch()} />
    );
  }
  const save = () =>
    saveAs(
      `${view.name}-${String(row[view.id_column])}-${tab.name}.txt`,
      found?.file ?? new Blob([text], { type: "text/plain" }),
    );
  const isCut = found !== undefined && found.size > SHOWN_MAX;
  const why = isOver
    ? found?.state === "gone"
      ? "The output sandbox is no longer stored."
      : said?.note
    : undefined;
  return (
    <div className="log">
      <div className="log-head">
        <TextInput
          size="xs"
          placeholder="Filter lines…"
          aria-label="Filter lines"
          value={wanted}
          onChange={(event) => setWanted(event.target.value)}
        />
        <span className="faint">
          {plural(lines.length, "line")}
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
      {isCut && (
        <p className="strip" role="status">
          The last {formatBytes(SHOWN_MAX)} of {formatBytes(found.size)}.
          <button type="button" className="as-link" onClick={save}>
            Download all
          </button>
        </p>
      )}
      {whole.isError && (
        <Fault
          error={whole.error}
          what={`All of ${tab.title.toLowerCase()}`}
          onRetry={() => void whole.refetch()}
        />
      )}
      {text !== "" && !isWhole && (why || whole.isError) && (
        <p className="strip" role="status">
          <span>
            {why} These are the last lines sent while it ran
            {said?.heardAt && (
              <>
                , at <Time value={said.heardAt} />
              </>
            )}
            .
          </span>
        </p>
      )}
      {lines.length === 0 ? (
        <Nothing>
          {wanted
            ? "No matching lines."
            : !isOver
              ? "Nothing has been written yet."
              : isWhole
                ? `Nothing was written. ${said?.note ?? ""}`
                : `${why ?? ""} Nothing was sent while it ran.`}
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
