import { describe, expect, it } from "vitest";
import { grouped, type Page } from "@/kit/nav";
import { sampleColumn, sampleView } from "@/kit/views.sample";
import { choicesFor } from "./choices";

const load: Page["load"] = () => Promise.reject(new Error("not here"));
const views = [
  sampleView("sites", {
    title: "Sites",
    nav_group: "Resources",
    nav_order: 50,
    columns: [sampleColumn("Id", { title: "Site" })],
  }),
  sampleView("jobs", {
    title: "Jobs",
    nav_group: "Work",
    nav_order: 10,
    columns: [sampleColumn("Id", { title: "Job", type: "int" })],
  }),
];
const pages: Page[] = [
  { path: "/", title: "Home", order: 0, load },
  { path: "/submit", title: "Submit", group: "Work", order: 5, load },
  { path: "/hidden", load },
];

describe("the palette", () => {
  const groups = grouped(views, pages);
  const to = (text: string) => choicesFor(text, groups, views).map((choice) => choice.to);

  it("offers all pages before anything is typed", () =>
    expect(to("")).toEqual(["/", "/submit", "/jobs", "/sites", "/docs/", "/docs/user/glossary.html"]));

  it("finds the tabs of an entry, by their titles and by the entry's", () => {
    const tab = sampleView("ces", { title: "Elements", nav_group: "Resources", nav_entry: "Sites" });
    const found = choicesFor("sites", grouped([...views, tab], pages), []);
    expect(found.map(({ to, note }) => [to, note])).toEqual([
      ["/sites", "Resources"],
      ["/ces", "Resources › Sites"],
    ]);
  });

  it("takes a number for the id of what has numbers", () => expect(to("123")).toEqual(["/jobs/123"]));

  it("takes a word for a page, or a name", () => {
    expect(to("sub")).toContain("/submit");
    expect(to("LCG.CERN.ch")).toEqual(["/sites/LCG.CERN.ch", "/sites"]);
  });

  it("quotes what goes into an address", () => expect(to("a/../b")[0]).toBe("/sites/a%2F..%2Fb"));
});
