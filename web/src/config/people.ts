/** Who the subjects are that a configuration lists. */

import { isMapping, lookUp } from "@/kit/templates";

/** Where the configuration names people by their subjects: as keys, or as values of a list. */
const KEYS = /^Registry\/[^/]+\/Users$/;
const LISTS = /^Registry\/[^/]+\/Groups\/[^/]+\/Users$|\/Managers$/;

/** Return the names of all people that a configuration knows, by their subjects, with and without their VO. */
export function peopleIn(document: unknown): Map<string, string> {
  const people = new Map<string, string>();
  const registry = isMapping(document) ? lookUp(document, "Registry") : undefined;
  for (const [vo, organisation] of Object.entries(isMapping(registry) ? registry : {})) {
    const users = isMapping(organisation) && isMapping(organisation.Users) ? organisation.Users : {};
    for (const [subject, user] of Object.entries(users)) {
      const name = isMapping(user) ? user.PreferedUsername : undefined;
      if (typeof name === "string") {
        people.set(subject, name);
        people.set(`${vo}:${subject}`, name);
      }
    }
  }
  return people;
}

/** Return the name of a person whose subject is a key below a path. */
export function namedByKey(
  path: string,
  key: string,
  people: ReadonlyMap<string, string>,
): string | undefined {
  return KEYS.test(path) ? people.get(key) : undefined;
}

/** Return a value as people read it: subjects with the names of their people. */
export function withNames(path: string, value: unknown, people: ReadonlyMap<string, string>): string {
  const values = Array.isArray(value) ? value.map(String) : [String(value)];
  const named = (each: string) => (people.has(each) ? `${people.get(each)} (${each})` : each);
  return (LISTS.test(path) ? values.map(named) : values).join(", ");
}
