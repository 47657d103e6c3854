import { describe, expect, it } from "vitest";
import { parse, parseQuery, specs } from "./filters";
import {
  asCommand,
  asCurl,
  askedColumns,
  atNode,
  beginsAtHome,
  columnsOf,
  conditionsOf,
  declared,
  eachOf,
  keyOf,
  nodeOf,
  partsOf,
  valuesOf,
} from "./listing";
import type { Me } from "./session";
import { fill } from "./templates";
import { sampleCall, sampleColumn, sampleView } from "./views.sample";

const view = sampleView("jobs", {
  id_column: "JobID",
  search: sampleCall("POST", "/api/jobs/search", { search: "{$search}" }),
  columns: [
    sampleColumn("JobID", { type: "int" }),
    sampleColumn("Status", { type: "status" }),
    sampleColumn("Site", { link: "/sites/{Site}" }),
    sampleColumn("Pilot", { link: "/pilots/{PilotStamp}" }),
    sampleColumn("PilotStamp"),
  ],
  default_columns: ["JobID", "Site"],
  default_filter: [
    { parameter: "Owner", operator: "eq", value: "{$me}" },
    { parameter: "LastUpdateTime", operator: "gt", value: "-7d" },
  ],
  status_column: "Status",
  cli: "weyl jobs search --where '{$where}'",
});
const me = { preferred_username: "alice", vo: "lhcb", group: "user" } as Me;

describe("what a list asks for", () => {
  it("is by default what the view says, with who is logged in", () => {
    expect(conditionsOf(view, {}, me)).toEqual(parse("Owner = alice and LastUpdateTime > -7d"));
    expect(conditionsOf(view, { conditions: [] }, me)).toEqual([]);
  });

  it("takes a name with a star as such", () => {
    expect(
      declared([{ parameter: "Owner", operator: "eq", value: "{$me}" }], { $me: "a*" })[0]?.values,
    ).toEqual([{ text: "a*", quoted: true }]);
  });

  it("is only the columns that are shown, and those that they refer to", () => {
    expect(askedColumns(view, columnsOf(view, { columns: ["Pilot", "Nonsense"] }))).toEqual([
      "JobID",
      "Status",
      "Pilot",
      "PilotStamp",
    ]);
  });

  it("can be copied as a command", () => {
    expect(asCommand(view, parse("Status = Failed"))).toBe("weyl jobs search --where 'Status = Failed'");
    expect(asCommand(view, parse('JobName = "it\'s"'))).toBe(
      `weyl jobs search --where 'JobName = "it'\\''s"'`,
    );
    expect(asCommand(view, [])).toBe("weyl jobs search");
  });

  it("tells rows apart by what the view says", () => {
    expect(keyOf(view, { JobID: 5 })).toBe("5");
    expect(partsOf(view, "5")).toEqual({ JobID: 5 });
    const several = { ...view, id_column: "Site", key: ["Site", "JobID"] };
    expect(keyOf(several, { JobID: 5, Site: "A" })).toBe("A|5");
    expect(partsOf(several, "A|5")).toEqual({ Site: "A", JobID: 5 });
    expect(partsOf(several, "A")).toEqual({ Site: "A" });
  });

  it("can be copied as a request", () => {
    const curl = asCurl(
      view.search,
      { $search: [{ parameter: "JobName", operator: "eq", value: "it's" }] },
      "https://x",
    );
    expect(curl).toContain("curl -sS -X POST 'https://x/api/jobs/search'");
    expect(curl).toContain(`"value":"it'\\''s"`);
  });
});

describe("a list with a tree", () => {
  const files = sampleView("files", {
    id_column: "FileID",
    tree: sampleCall("GET", "/api/files/tree"),
    tree_column: "Directory",
    columns: [
      sampleColumn("FileID", { type: "int" }),
      sampleColumn("LFN"),
      sampleColumn("Directory"),
      sampleColumn("InputOf", { shown: false }),
    ],
    default_columns: ["LFN", "InputOf"],
    default_filter: [{ parameter: "Directory", operator: "under", value: "{$home}" }],
    actions: [
      {
        name: "delete",
        title: "Delete",
        call: sampleCall("POST", "/api/files/delete", { lfns: "{$each.LFN}" }),
        needs: [],
        bulk: "ids",
        destructive: true,
        when: [],
        view: false,
        opens: false,
        drafts: false,
        help: "",
        way_back: "",
      },
    ],
  });
  const query = (text: string) => parseQuery(text, "Directory");

  it("begins where the tree says, or at the top", () => {
    expect(beginsAtHome(files)).toBe(true);
    expect(conditionsOf(files, {}, me, false, "/vo/user/a/alice")).toEqual(query("under /vo/user/a/alice"));
    expect(conditionsOf(files, {}, me)).toEqual([]);
    expect(conditionsOf(files, {}, me, true, "/vo")).toEqual([]);
  });

  it("is narrowed down to one node at a time", () => {
    const before = query("under /vo/a: Size > 5");
    expect(nodeOf(before)).toEqual({ node: "/vo/a" });
    const after = atNode(files, before, { node: "/vo/b", depth: 0 });
    expect(after).toEqual(query("under /vo/b depth 0: Size > 5"));
    expect(nodeOf(after)).toEqual({ node: "/vo/b", depth: 0 });
    expect(atNode(files, after)).toEqual(query("Size > 5"));
  });

  it("sends the node beside the conditions", () => {
    const search = specs(query("under /vo/b depth 0: Size > 5"), new Date());
    const body = { under: "{$under}", depth: "{$depth}", where: "{$search}" };
    expect(fill(body, valuesOf({ search, sort: [], columns: [] }, me))).toEqual({
      under: "/vo/b",
      depth: 0,
      where: [{ parameter: "Size", operator: "gt", value: "5" }],
    });
    expect(fill(body, valuesOf({ search: [], sort: [], columns: [] }, me))).toEqual({ where: [] });
  });

  it("asks for what its actions take from each row, and never for what is only searched by", () => {
    expect(columnsOf(files, {}).map(({ name }) => name)).toEqual(["LFN"]);
    expect(askedColumns(files, [])).toEqual(["FileID", "LFN"]);
    const rows = [
      { FileID: 1, LFN: "/vo/a" },
      { FileID: 2, LFN: "/vo/b" },
    ];
    expect(fill({ lfns: "{$each.LFN}" }, { $each: eachOf(files, rows) })).toEqual({
      lfns: ["/vo/a", "/vo/b"],
    });
  });
});
