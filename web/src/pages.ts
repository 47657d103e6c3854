/**
 * The pages that are written by hand. One line each; lists and their entities need none: views declare them.
 *
 * A page with a title stands in the navigation, in the group that it names, beside the views of that group.
 */

import type { ComponentType } from "react";

export type Page = {
  /** Below `/`; `$name` is a part of the address that the page reads. */
  path: string;
  load: () => Promise<{ default: ComponentType }>;
  title?: string;
  icon?: string;
  group?: string;
  order?: number;
  /** Properties of which one is needed; none: everybody. */
  needs?: string[];
};

export const PAGES: Page[] = [
  { path: "/", title: "Home", icon: "home", order: 0, load: () => import("./home/Home") },
  {
    path: "/submit",
    title: "Submit",
    icon: "send",
    group: "Work",
    order: 5,
    needs: ["NormalUser"],
    load: () => import("./submit/Submit"),
  },
  {
    path: "/failures",
    title: "Failures",
    icon: "alert-triangle",
    group: "Work",
    order: 15,
    load: () => import("./failures/Failures"),
  },
  { path: "/failures/$signature", load: () => import("./failures/Failures") },
  {
    path: "/accounting",
    title: "Accounting",
    icon: "chart-bar",
    group: "Work",
    order: 50,
    load: () => import("./accounting/Accounting"),
  },
  {
    path: "/config",
    title: "Configuration",
    icon: "settings",
    group: "Administration",
    order: 60,
    load: () => import("./config/Configuration"),
  },
];
