/** Whether the dialogue that asks for another login lies over all others: Escape then closes it and not those below. */

import { denied, expired } from "./api";
import { useStore } from "./store";

export function useIsCovered(): boolean {
  const isExpired = useStore(expired);
  return useStore(denied) !== undefined || isExpired;
}
