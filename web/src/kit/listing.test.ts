import { describe, expect, it } from "vitest";
import { parse } from "./filters";
import { asCommand, asCurl, askedColumns, columnsOf, conditionsOf, declared } from "./listing";
import type { Me } from "./session";
import type { View } from "./views";

const view: View = {
  name: "jobs",
  title: "Jobs",
  icon: "list",
  nav_group: "Work",
  id_column: "JobID",
  search: { method: "POST", path: "/api/jobs/search", body: { search: "{$search}" } },
  columns: [
    { name: "JobID", title: "Job", type: "int" },
    { name: "Status", title: "Status", type: "status" },
    { name: "Site", title: "Site", link: "/sites/{Site}" },
    { name: "Pilot", title: "Pilot", link: "/pilots/{PilotStamp}" },
    { name: "PilotStamp", title: "Stamp" },
  ],
  default_columns: ["JobID", "Site"],
  default_filter: [
    { parameter: "Owner", operator: "eq", value: "{$me}" },
    { parameter: "LastUpdateTime", operator: "gt", value: "-7d" },
  ],
  status_column: "Status",
  cli: "weyl jobs search --where '{$where}'",
};
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
