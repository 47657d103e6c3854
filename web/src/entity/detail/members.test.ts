import { describe, expect, it } from "vitest";
import { memberOf, NoMember } from "./members";

/** As Python's tarfile packs it: plain files, runs of bytes, a long name, links, one of them to itself. */
const SANDBOX =
  "QlpoOTFBWSZTWUGU5A0AAXTfle2wUAH/kkBB/ER/999KBAAIAACACDgwATi00JJFTY1NT1D1NG1MjINBtTR7UmaJppp6Qaqe1Gp4UehMgBhNNMgAGmmg0CRRqU08oyPSPRMmg0ADCNA9Rpk7dvupavXVEVz+uJcjpaBlVed2wghIG0kBjxPG3y1ZL6CjjaTEGG9RLdokNoIAqQGZpCzTQglZdkBcf3bGTD0babV+uBpMZlC6gpaEjfQMISM9cbGioygkVs0ICczDYrsdGjvxPhNXlnhIiTac6SIyjEwkAC4gmGaADaUoWc9tQcABJW2prd4z54KxhfDAeyptA2b/JBOWa5ArV2hatURjm53EzWtSbvzg+modwLHlTdzqJpYDqHkox/NEnUhNJxv5m7d96dw7qxHPwJG5emQInsnwoMqsd8RTAIsCrFsC5rrXUiMwj1wcuAOqri/kxoEyy/4u5IpwoSCDKcga";
const packed = Uint8Array.from(atob(SANDBOX), (character) => character.charCodeAt(0));
const read = async (name: string) => (await memberOf(packed, name)).text();

describe("a file of a packed sandbox", () => {
  it("comes out as it went in", async () => {
    expect(await read("outputs/lines.txt")).toBe("42\n");
    expect(await read("manifest.json")).toBe('{"v":1}');
    expect(await read("outputs/runs.txt")).toBe(`${"a".repeat(1000)}bbbbbcccc${"d".repeat(259)}`);
  });

  it("tells how far it is", async () => {
    const told: [number, number][] = [];
    await memberOf(packed, "outputs/lines.txt", (bytes, size) => told.push([bytes, size]));
    expect(told.at(-1)).toEqual([3, 3]);
  });

  it("may have a long name, or be a link", async () => {
    expect(await read(`outputs/${"n".repeat(120)}ä.txt`)).toBe("long");
    expect(await read("outputs/hard")).toBe("42\n");
    expect(await read("./outputs//soft")).toBe("42\n");
  });

  it("is asked for in vain where there is none, and the reason is said", async () => {
    await expect(read("outputs")).rejects.toThrow("no file named “outputs”");
    await expect(read("outputs")).rejects.toBeInstanceOf(NoMember);
    await expect(read("outputs/loop")).rejects.toThrow("a link that leads to itself");
    await expect(memberOf(packed.subarray(0, 200), "x")).rejects.toThrow("It ends too early");
    await expect(memberOf(new Uint8Array([1, 2, 3, 4]), "x")).rejects.toThrow("This is not bzip2");
  });
});
