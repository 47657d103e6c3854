/**
 * Changes as they happen: one stream for the page, closed while nobody looks at it.
 *
 * Where there is no stream, whoever listens is told now and then that something may have changed.
 */

import { useEffect, useRef } from "react";
import { expired } from "./api";
import { Store } from "./store";

export type Change = {
  topic: string;
  changed: (string | number)[];
  more: boolean;
  counters: Record<string, number>;
};
export type LiveState = "off" | "connecting" | "live" | "polling";

export const liveState = new Store<LiveState>("off");

type Listener = (change: Change) => void;

const POLL_MS = 15_000;
const FAILURES_MAX = 2;
const AGAIN_MS = 60_000;

const listeners = new Map<string, Set<Listener>>();
let source: EventSource | undefined;
let topics = "";
/** What the stream before was about, as long as its follower is not there. */
let interrupted: string[] = [];
let failures = 0;
let timer: ReturnType<typeof setInterval> | undefined;
let again: ReturnType<typeof setTimeout> | undefined;

/** Call a listener with each change of a topic, as long as the component is there. */
export function useChanges(topic: string | null | undefined, listener: Listener): void {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => {
    if (!topic) {
      return;
    }
    const hear: Listener = (change) => latest.current(change);
    const heard = listeners.get(topic) ?? new Set();
    listeners.set(topic, heard.add(hear));
    settle();
    return () => {
      heard.delete(hear);
      if (heard.size === 0) {
        listeners.delete(topic);
      }
      settle();
    };
  }, [topic]);
}

/** Open, change or close the stream so that it fits who listens; waits a moment, because pages come and go at once. */
function settle(): void {
  queueMicrotask(() => {
    const wanted = document.hidden ? "" : [...listeners.keys()].sort().join(",");
    if (wanted !== topics) {
      topics = wanted;
      failures = 0;
      open();
    }
  });
}

function open(): void {
  if (source) {
    interrupted = interrupted.concat(new URL(source.url).searchParams.getAll("topic"));
  }
  source?.close();
  source = undefined;
  clearInterval(timer);
  clearTimeout(again);
  if (topics === "") {
    interrupted = [];
    liveState.set("off");
    return;
  }
  liveState.set("connecting");
  const query = new URLSearchParams(topics.split(",").map((topic) => ["topic", topic]));
  source = new EventSource(`/api/events?${query}`);
  source.addEventListener("ready", () => {
    failures = 0;
    liveState.set("live");
    // What happened between two streams was not heard.
    const missed = new Set(interrupted);
    interrupted = [];
    missed.forEach(changed);
  });
  source.addEventListener("changes", (event) => tell(JSON.parse(String(event.data)) as Change));
  source.addEventListener("end", () => {
    // Whether the server stops or the login has ended: the next request will say it.
  });
  source.onerror = () => {
    failures += 1;
    if (failures >= FAILURES_MAX || source?.readyState === EventSource.CLOSED) {
      poll();
    } else {
      liveState.set("connecting");
    }
  };
}

function poll(): void {
  source?.close();
  source = undefined;
  liveState.set("polling");
  clearInterval(timer);
  timer = setInterval(() => {
    if (!document.hidden && !expired.get()) {
      [...listeners.keys()].forEach(changed);
    }
  }, POLL_MS);
  clearTimeout(again);
  again = setTimeout(open, AGAIN_MS);
}

/** Tell that something has changed, nobody knows what. */
function changed(topic: string): void {
  tell({ topic, changed: [], more: true, counters: {} });
}

function tell(change: Change): void {
  for (const hear of listeners.get(change.topic) ?? []) {
    hear(change);
  }
}

if (typeof document !== "undefined") {
  document.addEventListener("visibilitychange", () => {
    const wasAway = !document.hidden && topics === "" && listeners.size > 0;
    settle();
    if (wasAway) {
      // What happened meanwhile was not heard.
      [...listeners.keys()].forEach(changed);
    }
  });
}
