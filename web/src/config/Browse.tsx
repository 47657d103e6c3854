/** The configuration as everybody has it: a tree with the defaults filled in. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { ask } from "@/kit/api";
import { Fault, Waiting } from "@/kit/Panel";
import { isMapping } from "@/kit/templates";
import { namedByKey, peopleIn, withNames } from "./people";

type People = ReadonlyMap<string, string>;

export function Browse() {
  const document = useQuery({
    queryKey: ["config"],
    queryFn: ({ signal }) => ask<unknown>("GET", "/api/config/", { signal }),
  });
  const people = useMemo(() => peopleIn(document.data), [document.data]);
  if (document.error) {
    return <Fault error={document.error} what="The configuration" onRetry={() => document.refetch()} />;
  }
  return document.isPending ? (
    <Waiting />
  ) : (
    <div className="tree">
      <Branch value={document.data} path="" depth={0} people={people} />
    </div>
  );
}

function Branch({
  value,
  path,
  depth,
  people,
}: {
  value: unknown;
  path: string;
  depth: number;
  people: People;
}) {
  const entries = isMapping(value)
    ? Object.entries(value)
    : Array.isArray(value)
      ? value.map((each, index): [string, unknown] => [String(index + 1), each])
      : [];
  return (
    <ul>
      {entries.map(([name, each]) => {
        const isLeaf =
          !isMapping(each) && !(Array.isArray(each) && each.some((one) => typeof one === "object"));
        const place = path ? `${path}/${name}` : name;
        const person = namedByKey(path, name, people);
        return (
          <li key={name}>
            {isLeaf || Object.keys(each as object).length === 0 ? (
              <>
                <span className="name">{name}</span> <Leaf value={each} path={place} people={people} />
              </>
            ) : (
              <details open={depth < 1}>
                <summary>
                  <span className="name">{name}</span> {person !== undefined && <span>{person}</span>}{" "}
                  <span className="faint">{Object.keys(each as object).length}</span>
                </summary>
                <Branch value={each} path={place} depth={depth + 1} people={people} />
              </details>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function Leaf({ value, path, people }: { value: unknown; path: string; people: People }) {
  if (value === null || (typeof value === "object" && Object.keys(value).length === 0)) {
    return <span className="faint">not set</span>;
  }
  return <span className="mono">{withNames(path, value, people)}</span>;
}
