import { describe, expect, it } from "vitest";
import type { Column, View } from "@/kit/views";
import { sampleColumn, sampleView } from "@/kit/views.sample";
import type { Page } from "@/pages";
import { choicesFor } from "./choices";
import { grouped } from "./nav";

function view(
  name: string,
  title: string,
  group: string,
  order: number,
  type: Column["type"] = "text",
): View {
  const columns = [sampleColumn("Id", { title: title.slice(0, -1), type })];
  return sampleView(name, { title, nav_group: group, nav_order: order, columns });
}

const load: Page["load"] = () => Promise.reject(new Error("not here"));
const views = [view("sites", "Sites", "Resources", 50), view("jobs", "Jobs", "Work", 10, "int")];
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
});

describe("the palette", () => {
  const groups = grouped(views, pages);
  const to = (text: string) => choicesFor(text, groups, views).map((choice) => choice.to);

  it("offers all pages before anything is typed", () =>
    expect(to("")).toEqual(["/", "/submit", "/jobs", "/sites"]));

  it("takes a number for the id of what has numbers", () => expect(to("123")).toEqual(["/jobs/123"]));

  it("takes a word for a page, or a name", () => {
    expect(to("sub")).toContain("/submit");
    expect(to("LCG.CERN.ch")).toEqual(["/sites/LCG.CERN.ch", "/sites"]);
  });

  it("quotes what goes into an address", () => expect(to("a/../b")[0]).toBe("/sites/a%2F..%2Fb"));
});
