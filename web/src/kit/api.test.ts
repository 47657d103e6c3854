import { describe, expect, it } from "vitest";
import { ApiFault, faultOf, refusalOf } from "./api";

const answer = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });

describe("faults of the API", () => {
  it("carry all that the answer says, such as the place of what is wrong", async () => {
    const fault = await faultOf(answer(400, { detail: "No end", line: 3, column: 7 }), "POST /api/jobs/jdl");
    expect(fault.message).toBe("No end");
    expect(fault.said).toMatchObject({ line: 3, column: 7 });
    expect(refusalOf(fault)).toBe(fault);
  });

  it("say something in words where the answer does not", async () => {
    const fault = await faultOf(new Response("<html>", { status: 502 }), "GET /x");
    expect([fault.said, fault.message]).toEqual([{}, expect.stringContaining("server")]);
    expect(refusalOf(fault)).toBeUndefined();
    expect(refusalOf(new Error("x"))).toBeUndefined();
    expect(new ApiFault(400, "", "x").said).toEqual({});
  });
});
