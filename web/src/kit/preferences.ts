/** What a person has chosen, on the server and so in every browser; remembered here too, because it decides how a page begins. */

import { ask } from "./api";
import { kept, Store, useStore } from "./store";

export type Preferences = {
  theme?: "auto" | "light" | "dark";
  /** The columns of a view, where they are not the usual ones. */
  columns?: Record<string, string[]>;
  /** Lists that begin with all, not with what the view shows by default. */
  all?: Record<string, boolean>;
};

const WAIT_MS = 800;
const preferences = new Store<Preferences>(kept.get<Preferences>("preferences") ?? {});
let timer: ReturnType<typeof setTimeout> | undefined;

export function usePreferences(): Preferences {
  return useStore(preferences);
}

/** Read what the server has; what was chosen in another browser holds here too. */
export async function loadPreferences(): Promise<Preferences> {
  const { document } = await ask<{ document: Preferences }>("GET", "/api/ui/preferences");
  if (timer === undefined) {
    put(document);
  }
  return preferences.get();
}

export function changePreferences(changes: Partial<Preferences>): void {
  put({ ...preferences.get(), ...changes });
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = undefined;
    // A preference that could not be kept holds in this browser all the same.
    ask("PUT", "/api/ui/preferences", { body: { document: preferences.get() } }).catch(() => undefined);
  }, WAIT_MS);
}

/** Change what is chosen for one view; nothing takes the choice away. */
export function choiceWith<T>(
  choices: Record<string, T> | undefined,
  view: string,
  value: T | undefined,
): Record<string, T> {
  const { [view]: _, ...others } = choices ?? {};
  return value === undefined ? others : { ...others, [view]: value };
}

function put(value: Preferences): void {
  preferences.set(value);
  kept.set("preferences", value);
}
