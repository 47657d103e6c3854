/** Single words in the address of a page: what is chosen can be shared and come back to. */

import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import type { Search } from "./address";

/** Return a reader of words, with what holds where none is given, and a function that changes them. */
export function useAddress(): {
  word: (name: string, usual: string, allowed?: readonly string[]) => string;
  change: (changes: Record<string, string | undefined>) => void;
} {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const word = useCallback(
    (name: string, usual: string, allowed?: readonly string[]) => {
      const value = search[name];
      const first = Array.isArray(value) ? value[0] : value;
      return first !== undefined && (!allowed || allowed.includes(first)) ? first : usual;
    },
    [search],
  );
  const change = useCallback(
    (changes: Record<string, string | undefined>) => {
      void navigate({ to: ".", search: { ...search, ...changes } as never });
    },
    [search, navigate],
  );
  return { word, change };
}
