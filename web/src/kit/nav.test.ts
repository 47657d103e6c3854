import { describe, expect, it } from "vitest";
import { entryAt, grouped, type Page, pageAt, tabsAt } from "./nav";
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

  describe("an entry of several pages", () => {
    const related = [
      ...views,
      sampleView("ces", { title: "Elements", nav_group: "Resources", nav_order: 52, nav_entry: "Sites" }),
      sampleView("orders", { title: "Orders", nav_group: "Work", nav_order: 18, nav_entry: "Jobs" }),
    ];
    const groups = grouped(related, [
      ...pages,
      { path: "/failures", title: "Failures", group: "Work", order: 15, entry: "Jobs", load },
    ]);
    const tabs = (path: string) => tabsAt(groups, path).map((tab) => tab.title);

    it("stands once in the navigation, and leads to the first of them", () => {
      expect(groups.flatMap(({ entries }) => entries.map(({ title, to }) => [title, to]))).toEqual([
        ["Home", "/"],
        ["Submit", "/submit"],
        ["Jobs", "/jobs"],
        ["Sites", "/sites"],
      ]);
    });

    it("has them as tabs, views and pages alike, in their order", () => {
      expect(tabs("/failures")).toEqual(["Jobs", "Failures", "Orders"]);
      expect(tabs("/ces")).toEqual(["Sites", "Elements"]);
    });

    it("has none where there is one page, and on the page of one thing", () => {
      expect(tabs("/submit")).toEqual([]);
      expect(tabs("/sites/LCG.CERN.ch")).toEqual([]);
      expect(entryAt(groups, "/ces/ce01")?.title).toBe("Sites");
    });

    it("keeps its name for those who may not see its first page", () => {
      const some = grouped(
        related.filter((view) => view.name !== "sites"),
        pages,
      );
      expect(entryAt(some, "/ces")).toMatchObject({ title: "Sites", to: "/ces" });
    });
  });

  it("knows which page an address leads to, whatever comes after its first word", () => {
    expect(pageAt(pages, "/submit/again")?.path).toBe("/submit");
    expect(pageAt(pages, "/jobs")).toBeUndefined();
  });
});
