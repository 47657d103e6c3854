import { describe, expect, it } from "vitest";
import { grouped, type Page, pageAt } from "./nav";
import { sampleView } from "./views.sample";

const load: Page["load"] = () => Promise.reject(new Error("not here"));
const views = [
  sampleView("sites", { title: "Sites", nav_group: "Resources", nav_order: 50 }),
  sampleView("jobs", { title: "Jobs", nav_group: "Work", nav_order: 10 }),
];
const pages: Page[] = [
  { path: "/", title: "Home", order: 0, load },
  { path: "/submit", title: "Submit", group: "Work", order: 5, load },
  { path: "/hidden", load },
];

describe("the navigation", () => {
  it("puts pages and views into groups, by their order", () => {
    const groups = grouped(views, pages).map(({ title, entries }) => [
      title,
      ...entries.map((entry) => entry.to),
    ]);
    expect(groups).toEqual([
      ["", "/"],
      ["Work", "/submit", "/jobs"],
      ["Resources", "/sites"],
    ]);
  });

  it("lets a page that is written by hand stand in for the view of its name", () => {
    const own: Page[] = [{ path: "/sites", title: "My sites", group: "Resources", load }];
    expect(grouped(views, own).flatMap(({ entries }) => entries.map((entry) => entry.title))).toEqual([
      "Jobs",
      "My sites",
    ]);
  });

  it("knows which page an address leads to, whatever comes after its first word", () => {
    expect(pageAt(pages, "/submit/again")?.path).toBe("/submit");
    expect(pageAt(pages, "/jobs")).toBeUndefined();
  });
});
