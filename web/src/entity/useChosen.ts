/** Which rows are chosen: some by their ids, or all that match. */

import { useEffect, useRef, useState } from "react";
import type { View } from "@/kit/views";
import type { Chosen } from "./EntityTable";
import type { Rows } from "./useRows";

const NONE: Chosen = { ids: new Set(), all: false };

/** `list` changes when the list does; what was chosen of another list is forgotten. */
export function useChosen(view: View, rows: Rows, list: string) {
  const [value, setValue] = useState<Chosen>(NONE);
  const last = useRef(-1);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list, another choice.
  useEffect(() => setValue(NONE), [list]);

  const idAt = (index: number) => {
    const row = rows.at(index);
    return row === undefined ? undefined : String(row[view.id_column]);
  };
  const toggle = (index: number, isRange: boolean) => {
    const id = idAt(index);
    if (id === undefined) {
      return;
    }
    const ids = new Set(value.all ? rows.loaded.map((row) => String(row[view.id_column])) : value.ids);
    const isOn = !ids.has(id);
    const from = isRange && last.current >= 0 ? Math.min(last.current, index) : index;
    const to = isRange && last.current >= 0 ? Math.max(last.current, index) : index;
    for (let at = from; at <= to; at++) {
      const each = idAt(at);
      if (each !== undefined) {
        isOn ? ids.add(each) : ids.delete(each);
      }
    }
    last.current = index;
    setValue({ ids, all: false });
  };
  const toggleLoaded = () => {
    const isSome = value.all || value.ids.size > 0;
    setValue(
      isSome ? NONE : { ids: new Set(rows.loaded.map((row) => String(row[view.id_column]))), all: false },
    );
  };
  return {
    value,
    toggle,
    toggleLoaded,
    clear: () => setValue(NONE),
    chooseAll: () => setValue({ ids: new Set(), all: true }),
  };
}

export type Choosing = ReturnType<typeof useChosen>;
