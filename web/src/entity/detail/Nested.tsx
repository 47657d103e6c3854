/** Whatever the API answers, for people: names with their values, and lists, each inside of the other. */

import { formatValue } from "@/kit/formats";
import { isMapping } from "@/kit/templates";

const DEPTH_MAX = 12;

export function Nested({ value, depth = 0 }: { value: unknown; depth?: number }) {
  if (Array.isArray(value) && value.some((each) => typeof each === "object") && depth < DEPTH_MAX) {
    return (
      <ol className="nested">
        {value.map((each, index) => (
          <li key={index}>
            <Nested value={each} depth={depth + 1} />
          </li>
        ))}
      </ol>
    );
  }
  if (isMapping(value) && Object.keys(value).length > 0 && depth < DEPTH_MAX) {
    return (
      <dl className="nested">
        {Object.entries(value).map(([name, each]) => (
          <div key={name}>
            <dt>{name.replaceAll("_", " ")}</dt>
            <dd>
              <Nested value={each} depth={depth + 1} />
            </dd>
          </div>
        ))}
      </dl>
    );
  }
  const text = formatValue(value, "text");
  return text === "" ? <span className="faint">–</span> : text;
}
