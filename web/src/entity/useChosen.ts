/** Which rows are chosen: some by their ids, or all that match. */

import { useEffect, useRef, useState } from "react";
import type { Row } from "@/kit/api";
import { keyOf } from "@/kit/listing";
import type { View } from "@/kit/views";
import type { Chosen } from "./EntityTable";
import type { Rows } from "./useRows";

const NONE: Chosen = { ids: new Map(), all: false };

/** `list` changes when the list does; what was chosen of another list is forgotten. */
export function useChosen(view: View, rows: Rows, list: string) {
  const [value, setValue] = useState<Chosen>(NONE);
  const last = useRef(-1);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list, another choice.
  useEffect(() => setValue(NONE), [list]);

  const idOf = (row: Row) => keyOf(view, row);
  const loaded = () => new Map(rows.loaded.map((row) => [idOf(row), row]));
  const toggle = (index: number, isRange: boolean) => {
    const row = rows.at(index);
    if (row === undefined) {
      return;
    }
    const ids = value.all ? loaded() : new Map(value.ids);
    const isOn = !ids.has(idOf(row));
    const from = isRange && last.current >= 0 ? Math.min(last.current, index) : index;
    const to = isRange && last.current >= 0 ? Math.max(last.current, index) : index;
    for (let at = from; at <= to; at++) {
      const each = rows.at(at);
      if (each !== undefined) {
        isOn ? ids.set(idOf(each), each) : ids.delete(idOf(each));
      }
    }
    last.current = index;
    setValue({ ids, all: false });
  };
  const toggleLoaded = () => {
    const isSome = value.all || value.ids.size > 0;
    setValue(isSome ? NONE : { ids: loaded(), all: false });
  };
  return {
    value,
    toggle,
    toggleLoaded,
    clear: () => setValue(NONE),
    chooseAll: () => setValue({ ids: new Map(), all: true }),
  };
}

export type Choosing = ReturnType<typeof useChosen>;
