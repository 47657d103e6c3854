import { describe, expect, it } from "vitest";
import { namedByKey, peopleIn, withNames } from "./people";

const people = peopleIn({
  Registry: {
    hep: {
      Users: { "1234": { PreferedUsername: "alice" }, "5678": {} },
      Groups: { user: { Users: ["1234"] } },
    },
  },
});

describe("subjects in a configuration", () => {
  it("are told with the names of their people", () => {
    expect(withNames("Registry/hep/Groups/user/Users", ["1234", "5678"], people)).toBe("alice (1234), 5678");
    expect(withNames("Resources/Sites/LCG.X.y/Managers", ["hep:1234"], people)).toBe("alice (hep:1234)");
    expect(namedByKey("Registry/hep/Users", "1234", people)).toBe("alice");
  });

  it("are not found in what only looks like them", () => {
    expect(withNames("Resources/Sites/LCG.X.y/Queues", ["1234"], people)).toBe("1234");
    expect(namedByKey("Resources/Sites", "1234", people)).toBeUndefined();
    expect(peopleIn({ Registry: [] }).size).toBe(0);
  });
});
