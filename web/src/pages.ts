/**
 * The pages that are written by hand. One line each; lists and their entities need none: views declare them.
 *
 * A page with a title stands in the navigation, in the group that it names, beside the views of that group.
 */

import type { Page } from "@/kit/nav";

const WHO_RUN_JOBS = ["NormalUser", "JobAdministrator"];

export const PAGES: Page[] = [
  { path: "/", title: "Home", icon: "home", order: 0, load: () => import("./home/Home") },
  {
    path: "/submit",
    title: "Submit",
    doc: "Describe jobs, preview them, and submit them.",
    icon: "send",
    group: "Work",
    order: 5,
    needs: ["NormalUser"],
    load: () => import("./submit/Submit"),
  },
  {
    path: "/failures",
    title: "Failures",
    doc: "Failures grouped by cause, site and owner.",
    icon: "alert-triangle",
    group: "Work",
    order: 15,
    entry: "Jobs",
    needs: WHO_RUN_JOBS,
    load: () => import("./failures/Failures"),
  },
  { path: "/failures/$signature", needs: WHO_RUN_JOBS, load: () => import("./failures/Failures") },
  {
    path: "/accounting",
    title: "Accounting",
    doc: "Resource usage as plots and numbers.",
    icon: "chart-bar",
    group: "Work",
    order: 50,
    needs: [...WHO_RUN_JOBS, "AccountingMonitor", "Operator", "ServiceAdministrator"],
    load: () => import("./accounting/Accounting"),
  },
  {
    path: "/config",
    title: "Configuration",
    doc: "The configuration of this installation and its history.",
    icon: "settings",
    group: "Administration",
    order: 60,
    load: () => import("./config/Configuration"),
  },
];
