/** Starts the pages. */

import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiFault } from "./kit/api";
import { PagesProvider } from "./kit/pages";
import { styleNonce, theme } from "./kit/theme";
import { PAGES } from "./pages";
import { router } from "./router";
import "./kit/mantine.css";
import "./kit/kit.css";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      staleTime: 10_000,
      // What the server refuses it refuses again; only what was not reached is worth another try.
      retry: (count, error) =>
        count < 2 && (!(error instanceof ApiFault) || error.status === 0 || error.status >= 502),
    },
  },
});

// What locks the page behind a dialogue puts in a style of its own, and takes its nonce from here.
Object.assign(globalThis, { __webpack_nonce__: styleNonce() });

const place = document.getElementById("root");
if (place) {
  createRoot(place).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={styleNonce}>
        <QueryClientProvider client={queries}>
          <PagesProvider value={PAGES}>
            <RouterProvider router={router} />
          </PagesProvider>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
