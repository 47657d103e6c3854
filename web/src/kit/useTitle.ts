/** The title of the page, as tabs and the history of the browser show it. */

import { useEffect } from "react";

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · weyl`;
    return () => {
      document.title = "weyl";
    };
  }, [title]);
}
