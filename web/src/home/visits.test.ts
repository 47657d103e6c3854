import { expect, it } from "vitest";
import { visitAt } from "./visits";

const HOUR = 3_600_000;
const NOW = 1000 * HOUR;

it("looks back a day where nobody was here before", () => {
  expect(visitAt(NOW, undefined)).toEqual({ since: NOW - 24 * HOUR, seen: NOW });
});

it("begins a new visit after a pause only", () => {
  expect(visitAt(NOW, { since: 900 * HOUR, seen: NOW - 1 })).toEqual({ since: 900 * HOUR, seen: NOW });
  expect(visitAt(NOW, { since: 800 * HOUR, seen: 900 * HOUR })).toEqual({ since: 900 * HOUR, seen: NOW });
});

it("looks no further back than is kept", () => {
  expect(visitAt(NOW, { since: 0, seen: 0 }).since).toBe(NOW - 720 * HOUR);
});
