/** What is around every page: navigation, who is logged in, messages, and what to do when the server is away. */

import { ActionIcon, useMantineColorScheme } from "@mantine/core";
import { IconMenu2, IconSearch } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { denied, expired } from "@/kit/api";
import { useKeys } from "@/kit/keys";
import { NotHere } from "@/kit/NotHere";
import { pageAt, tabsAt } from "@/kit/nav";
import { Panel, Waiting } from "@/kit/Panel";
import { useGroups, usePages } from "@/kit/pages";
import { loadPreferences } from "@/kit/preferences";
import { mayUse, meOptions, viewsOptions } from "@/kit/session";
import { useStore } from "@/kit/store";
import { Toasts } from "@/kit/toasts";
import { Banner } from "./Banner";
import { Mark } from "./Mark";
import { Navigation, PageTabs } from "./Navigation";
import { UserMenu } from "./UserMenu";

const Operations = lazy(async () => ({ default: (await import("@/entity/operations")).Operations }));
const Palette = lazy(() => import("./Palette"));
const Help = lazy(() => import("./Help"));
const Expired = lazy(() => import("./Expired"));

const LOGIN = "/login";
const SECOND_LOOK_MS = 1500;

export function Shell() {
  const [isNavOpen, setNavOpen] = useState(false);
  const [over, setOver] = useState<"palette" | "help">();
  const location = useLocation();
  const isExpired = useStore(expired);
  const isDenied = useStore(denied) !== undefined;
  const me = useQuery(meOptions);
  const pages = usePages();
  const views = useQuery({ ...viewsOptions, enabled: !me.isError });
  useSecondLook(me.data !== undefined);
  const navigate = useNavigate();
  const path = location.pathname;

  const tabs = tabsAt(useGroups(), path);
  const goBy = (step: number) => {
    const to = tabs[tabs.findIndex((tab) => tab.to === path) + step]?.to;
    return to && navigate({ to });
  };
  useKeys({
    "?": () => setOver("help"),
    "/": () => setOver("palette"),
    h: () => void goBy(-1),
    l: () => void goBy(1),
  });
  useCommandKey(() => setOver("palette"));
  // biome-ignore lint/correctness/useExhaustiveDependencies: closes the navigation when the page changes.
  useEffect(() => setNavOpen(false), [path]);

  // Nobody was here: the login page. Somebody was: what they typed stays, and they log in over it.
  const isStranger = isExpired && me.data === undefined;
  useEffect(() => {
    // This page stays until that one has been loaded, and must not send anybody from there to there.
    if (isStranger && path !== LOGIN) {
      expired.set(false);
      void navigate({ to: LOGIN, search: { return_to: location.href }, replace: true });
    }
  }, [isStranger, navigate, path, location.href]);

  return (
    <div className="shell" data-nav={isNavOpen || undefined}>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <ActionIcon
          className="nav-button"
          variant="subtle"
          color="gray"
          aria-label="Navigation"
          aria-expanded={isNavOpen}
          onClick={() => setNavOpen(!isNavOpen)}
        >
          <IconMenu2 size={20} />
        </ActionIcon>
        <Mark />
        <button type="button" className="search-button" onClick={() => setOver("palette")}>
          <IconSearch size={16} />
          <span>Search jobs, sites, pages…</span>
          <kbd>Ctrl K</kbd>
        </button>
        <span className="grow" />
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label="Help"
          title="Help (?)"
          onClick={() => setOver("help")}
        >
          <b>?</b>
        </ActionIcon>
        <UserMenu />
      </header>
      <Navigation />
      {isNavOpen && (
        <button
          type="button"
          className="shade"
          aria-label="Close the menu"
          onClick={() => setNavOpen(false)}
        />
      )}
      <main id="main" className="main" tabIndex={-1}>
        <Banner />
        <PageTabs />
        {/* The views say what the address means: without them there is nothing to show yet. */}
        {views.data === undefined && me.isPending ? (
          <Waiting />
        ) : (
          <Panel key={path} what="This page">
            {me.data && !mayUse(me.data, pageAt(pages, path)?.needs) ? (
              <NotHere name={path.slice(1)} />
            ) : (
              <Outlet />
            )}
          </Panel>
        )}
      </main>
      <div className="corner">
        <Suspense fallback={null}>
          <Operations />
        </Suspense>
        <Toasts />
      </div>
      <Suspense fallback={null}>
        {over === "palette" && <Palette onClose={() => setOver(undefined)} />}
        {over === "help" && <Help onClose={() => setOver(undefined)} />}
        {((isExpired && !isStranger) || isDenied) && <Expired />}
      </Suspense>
    </div>
  );
}

/** Ctrl-K or Cmd-K works also while typing. */
function useCommandKey(act: () => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        act();
      }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  });
}

/** What was remembered is looked at again when the page is there: first come the rows. */
function useSecondLook(isRemembered: boolean): void {
  const queries = useQueryClient();
  const { setColorScheme } = useMantineColorScheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the page is opened.
  useEffect(() => {
    const timer = setTimeout(
      () => {
        if (isRemembered) {
          void queries.refetchQueries({ queryKey: meOptions.queryKey });
          void queries.refetchQueries({ queryKey: viewsOptions.queryKey });
        }
        // Whoever presses Ctrl-K goes on typing at once.
        void import("./Palette");
        loadPreferences().then(
          ({ theme }) => theme && setColorScheme(theme),
          () => undefined,
        );
      },
      isRemembered ? SECOND_LOOK_MS : 0,
    );
    return () => clearTimeout(timer);
  }, []);
}
