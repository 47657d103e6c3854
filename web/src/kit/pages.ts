/** The pages that are written by hand, handed down to whoever leads to them: nobody here knows what they are made of. */

import { createContext, useContext } from "react";
import { type Group, grouped, type Page } from "./nav";
import { mayUse, useMe, useViews } from "./session";

const Pages = createContext<readonly Page[]>([]);

export const PagesProvider = Pages.Provider;

export function usePages(): readonly Page[] {
  return useContext(Pages);
}

/** Return the groups of the navigation: the pages and views that this person may see. */
export function useGroups(): Group[] {
  const me = useMe();
  const views = useViews();
  const pages = usePages();
  return grouped(
    views,
    pages.filter((page) => mayUse(me, page.needs)),
  );
}
