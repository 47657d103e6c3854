/** A value that several components watch, and that is kept outside of them. */

import { useSyncExternalStore } from "react";

export class Store<T> {
  private readonly watchers = new Set<() => void>();

  constructor(private value: T) {}

  get = (): T => this.value;

  set(value: T): void {
    if (!Object.is(value, this.value)) {
      this.value = value;
      for (const watcher of this.watchers) {
        watcher();
      }
    }
  }

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.watch, store.get);
}

/** What this browser keeps for a page: nothing secret, and nothing that it cannot do without. */
export const kept = {
  get<T>(name: string): T | undefined {
    try {
      const text = localStorage.getItem(`weyl.${name}`);
      return text === null ? undefined : (JSON.parse(text) as T);
    } catch {
      return undefined;
    }
  },
  set(name: string, value: unknown): void {
    try {
      localStorage.setItem(`weyl.${name}`, JSON.stringify(value));
    } catch {
      // A full or forbidden storage costs a preference, nothing else.
    }
  },
  remove(name: string): void {
    try {
      localStorage.removeItem(`weyl.${name}`);
    } catch {
      // As above.
    }
  },
};
