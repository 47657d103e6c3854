/** The state of a list, read from its address and written to it. */

import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { type ListState, readState, type Search, writeState } from "@/kit/address";

export type Change = (changes: Partial<ListState>, options?: { replace?: boolean }) => void;

export function useListState(): [ListState, Change, Search] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const state = useMemo(() => readState(search), [search]);
  const change = useCallback<Change>(
    (changes, options) => {
      const next = { ...state, ...changes };
      void navigate({ to: ".", search: writeState(next), replace: options?.replace });
    },
    [state, navigate],
  );
  return [state, change, search];
}
