/** Texts that somebody is writing, kept until this tab is closed: a login that ends and a reload take nothing away. */

import { useCallback, useState } from "react";

export function readDraft<T>(name: string): T | undefined {
  try {
    const text = sessionStorage.getItem(`weyl.draft.${name}`);
    return text === null ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

export function writeDraft(name: string, value: unknown): void {
  try {
    if (value === undefined) {
      sessionStorage.removeItem(`weyl.draft.${name}`);
    } else {
      sessionStorage.setItem(`weyl.draft.${name}`, JSON.stringify(value));
    }
  } catch {
    // A full or forbidden storage: the text is on the page all the same.
  }
}

/** A state that is there again after a reload. */
export function useDraft<T>(name: string, start: T): [T, (changes: Partial<T>) => void] {
  const [value, setValue] = useState<T>(() => ({ ...start, ...readDraft<Partial<T>>(name) }));
  const change = useCallback(
    (changes: Partial<T>) =>
      setValue((before) => {
        const next = { ...before, ...changes };
        writeDraft(name, next);
        return next;
      }),
    [name],
  );
  return [value, change];
}
