/** Says that the server or the network is away, and tries again until it is back. */

import { Button } from "@mantine/core";
import { IconPlugConnectedX } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { connection, request } from "@/kit/api";
import { useStore } from "@/kit/store";

const EVERY_MS = 5000;

export function Banner() {
  const state = useStore(connection);
  const queries = useQueryClient();
  const wasAway = useRef(false);

  useEffect(() => {
    if (state === "fine") {
      if (wasAway.current) {
        wasAway.current = false;
        void queries.refetchQueries({ predicate: (query) => query.state.status === "error" });
      }
      return;
    }
    wasAway.current = true;
    const timer = setInterval(tryAgain, EVERY_MS);
    window.addEventListener("online", tryAgain);
    return () => {
      clearInterval(timer);
      window.removeEventListener("online", tryAgain);
    };
  }, [state, queries]);

  if (state === "fine") {
    return null;
  }
  return (
    <div className="banner" role="alert">
      <IconPlugConnectedX size={18} />
      <span>
        {state === "offline"
          ? "You are offline. The page shows the last known state."
          : "The server does not answer; it may be restarting. The page shows the last known state."}
      </span>
      <Button size="compact-xs" variant="default" onClick={tryAgain}>
        Try now
      </Button>
    </div>
  );
}

function tryAgain(): void {
  // The answer itself sets the state; a fault here is what we already know.
  request("GET", "/api/health/live", { quiet: true }).catch(() => undefined);
}
