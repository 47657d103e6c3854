/** The configuration as everybody has it: a tree with the defaults filled in. */

import { useQuery } from "@tanstack/react-query";
import { ask } from "@/kit/api";
import { Fault, Waiting } from "@/kit/Panel";
import { isMapping } from "@/kit/templates";

export function Browse() {
  const document = useQuery({
    queryKey: ["config"],
    queryFn: ({ signal }) => ask<unknown>("GET", "/api/config/", { signal }),
  });
  if (document.error) {
    return <Fault error={document.error} what="The configuration" onRetry={() => document.refetch()} />;
  }
  return document.isPending ? (
    <Waiting />
  ) : (
    <div className="tree">
      <Branch value={document.data} depth={0} />
    </div>
  );
}

function Branch({ value, depth }: { value: unknown; depth: number }) {
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
        return (
          <li key={name}>
            {isLeaf || Object.keys(each as object).length === 0 ? (
              <>
                <span className="name">{name}</span> <Leaf value={each} />
              </>
            ) : (
              <details open={depth < 1}>
                <summary>
                  <span className="name">{name}</span>{" "}
                  <span className="faint">{Object.keys(each as object).length}</span>
                </summary>
                <Branch value={each} depth={depth + 1} />
              </details>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function Leaf({ value }: { value: unknown }) {
  if (value === null || (typeof value === "object" && Object.keys(value).length === 0)) {
    return <span className="faint">nothing</span>;
  }
  return <span className="mono">{Array.isArray(value) ? value.join(", ") : String(value)}</span>;
}
