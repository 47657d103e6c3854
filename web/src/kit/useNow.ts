/** One clock for all of a page that says how long ago something was. */

import { Store, useStore } from "./store";

const EVERY_MS = 15_000;

const ticks = new Store(0);
setInterval(() => ticks.set(ticks.get() + 1), EVERY_MS);

/** Return the time, and draw anew now and then, so that what is said of it stays true. */
export function useNow(): Date {
  useStore(ticks);
  return new Date();
}
