/** A tab that an extension draws itself: a module of its own, which gets a place on the page and the row. */

import { useEffect, useRef, useState } from "react";
import type { Row } from "@/kit/api";
import { Fault } from "@/kit/Panel";
import type { Tab } from "@/kit/views";

type Module = { render: (place: HTMLElement, row: Row) => undefined | (() => void) };

export default function ExtensionModule({ tab, row }: { tab: Tab; row: Row }) {
  const place = useRef<HTMLDivElement>(null);
  const [error, setError] = useState<unknown>();
  const address = tab.module ?? "";
  useEffect(() => {
    let end: (() => void) | undefined;
    let isOver = false;
    const start = async () => {
      if (!address.startsWith("/ext/")) {
        throw new Error("A module must lie below /ext/.");
      }
      const module = (await import(/* @vite-ignore */ address)) as Module;
      if (!isOver && place.current) {
        end = module.render(place.current, row) ?? undefined;
      }
    };
    start().catch(setError);
    return () => {
      isOver = true;
      end?.();
    };
  }, [address, row]);
  return error ? <Fault error={error} what={tab.title} /> : <div ref={place} />;
}
