/** The addresses of the pages, and the parameters in them, which stay as people write them. */

import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { readSearch, writeSearch } from "./kit/address";
import { NotHere } from "./kit/NotHere";
import { Fault, Waiting } from "./kit/Panel";
import { PAGES } from "./pages";
import { Shell } from "./shell/Shell";

const root = createRootRoute({
  notFoundComponent: () => <NotHere />,
  errorComponent: ({ error }) => (
    <Fault error={error} what="This page" onRetry={() => window.location.reload()} />
  ),
});

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  component: lazyRouteComponent(() => import("./shell/Login"), "LoginPage"),
});
const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });

const written = PAGES.map((page) =>
  createRoute({
    getParentRoute: () => shell,
    path: page.path,
    component: lazyRouteComponent(page.load),
  }),
);

const list = createRoute({
  getParentRoute: () => shell,
  path: "/$view",
  component: lazyRouteComponent(() => import("./entity/EntityPage")),
});

const one = createRoute({
  getParentRoute: () => shell,
  path: "/$view/$id",
  component: lazyRouteComponent(() => import("./entity/OnePage")),
});

export const router = createRouter({
  routeTree: root.addChildren([login, shell.addChildren([...written, list, one])]),
  parseSearch: (text) => readSearch(text),
  stringifySearch: (search) => writeSearch(search),
  defaultPreload: "intent",
  scrollRestoration: false,
  // Where the page itself is slow to come, whoever pressed a link sees that it was pressed.
  defaultPendingComponent: () => <Waiting what="Loading the page" />,
  defaultPendingMs: 500,
  defaultErrorComponent: ({ error }) => (
    <Fault error={error} what="This page" onRetry={() => window.location.reload()} />
  ),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
