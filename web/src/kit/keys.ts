/** Keys that work wherever nobody is typing; each page says which it has. */

import { useEffect, useRef } from "react";

export type Keys = Record<string, (event: KeyboardEvent) => void>;

/** Tell whether somebody is typing, or a dialogue has the keyboard. */
export function isTyping(target: EventTarget | null): boolean {
  if (
    !(target instanceof HTMLElement) ||
    (target instanceof HTMLInputElement && target.type === "checkbox")
  ) {
    return false;
  }
  return (
    target.isContentEditable ||
    ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) ||
    target.closest("[role=dialog],[role=menu],[role=listbox]") !== null
  );
}

export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        event.defaultPrevented ||
        isTyping(event.target)
      ) {
        return;
      }
      const isOnControl =
        event.target instanceof HTMLElement && event.target.closest("button,a,input,[role=tab]") !== null;
      if (isOnControl && (event.key === "Enter" || event.key === " " || event.key.startsWith("Arrow"))) {
        return;
      }
      const act = latest.current[event.key];
      if (act) {
        event.preventDefault();
        act(event);
      }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}
