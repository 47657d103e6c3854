import { describe, expect, it } from "vitest";
import { countsOf, opposite, patched } from "./useRows";

describe("rows that change", () => {
  const page = {
    rows: [
      { JobID: 1, Status: "Running" },
      { JobID: 2, Status: "Waiting" },
    ],
  };

  it("are put in the place of the old ones, and only they", () => {
    const next = patched(page, new Map([["2", { JobID: 2, Status: "Done" }]]), "JobID");
    expect(next.rows[1]).toEqual({ JobID: 2, Status: "Done" });
    expect(next.rows[0]).toBe(page.rows[0]);
  });

  it("leave a page that does not have them as it is", () => {
    expect(patched(page, new Map([["7", { JobID: 7 }]]), "JobID")).toBe(page);
  });

  it("are applied at once, five hundred of ten thousand", () => {
    const many = { rows: Array.from({ length: 10_000 }, (_, i) => ({ JobID: i, Status: "Running" })) };
    const fresh = new Map(
      Array.from({ length: 500 }, (_, i) => [String(i * 20), { JobID: i * 20, Status: "Done" }]),
    );
    const next = patched(many, fresh, "JobID");
    expect(next.rows.filter((row) => row.Status === "Done")).toHaveLength(500);
  });

  it("are counted with the largest first, whatever the API answers", () => {
    expect(
      countsOf(
        [
          { Status: "A", count: 1 },
          { Status: null, count: "5" },
        ],
        "Status",
      ),
    ).toEqual({
      column: "Status",
      rows: [
        { value: "", count: 5 },
        { value: "A", count: 1 },
      ],
      total: 6,
    });
    expect(countsOf({} as never, "Status").total).toBe(0);
  });
});

describe("the opposite of an order", () => {
  it("turns the key round that the API adds, too", () => {
    expect(opposite([{ column: "Status", descending: false }], "JobID")).toEqual([
      { column: "Status", descending: true },
      { column: "JobID", descending: true },
    ]);
    expect(opposite([{ column: "JobID", descending: true }], "JobID")).toEqual([
      { column: "JobID", descending: false },
    ]);
  });
});
