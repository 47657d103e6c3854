/** Why something waits or failed: the verdict, what was asked for and what there was, and what can be done. */

import { IconBulb, IconCheck, IconX } from "@tabler/icons-react";
import { formatDuration, formatNumber, formatValue } from "@/kit/formats";
import { isMapping } from "@/kit/templates";
import type { TabProps } from "./TabContent";

const KNOWN = new Set(["condition", "wanted", "offered", "removed", "left", "title"]);

export function Why({ content }: TabProps) {
  if (!isMapping(content)) {
    return <p>{String(content)}</p>;
  }
  const steps = listOf(content.steps);
  const suggestions = listOf(content.suggestions);
  const rest = Object.entries(content).filter(
    ([name, value]) =>
      !["status", "verdict", "waiting_s", "steps", "suggestions"].includes(name) &&
      value !== null &&
      !Array.isArray(value) &&
      !isMapping(value),
  );
  return (
    <div className="why">
      <p className="verdict">{String(content.verdict ?? "")}</p>
      {typeof content.waiting_s === "number" && (
        <p className="faint">for {formatDuration(content.waiting_s)}</p>
      )}
      {suggestions.length > 0 && (
        <ul className="suggestions">
          {suggestions.map((each, index) => (
            <li key={index}>
              <IconBulb size={16} aria-hidden /> {String(isMapping(each) ? (each.text ?? "") : each)}
            </li>
          ))}
        </ul>
      )}
      {steps.length > 0 && (
        <ol className="steps">
          {steps.filter(isMapping).map((step, index) => (
            <Step key={index} step={step} />
          ))}
        </ol>
      )}
      {rest.length > 0 && (
        <dl className="fields">
          {rest.map(([name, value]) => (
            <div key={name}>
              <dt>{name.replaceAll("_", " ")}</dt>
              <dd>{formatValue(value, "text")}</dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}

function Step({ step }: { step: Record<string, unknown> }) {
  const left = step.left;
  const isEnd = left === 0;
  return (
    <li data-end={isEnd || undefined}>
      {isEnd ? <IconX size={15} aria-label="nothing is left" /> : <IconCheck size={15} aria-hidden />}
      <span>
        <strong>{String(step.condition ?? step.title ?? "")}</strong>
        {isSaid(step.wanted) && <> wants {formatValue(step.wanted, "text")}</>}
        {isSaid(step.offered) && (
          <span className="faint">, there is {formatValue(step.offered, "text")}</span>
        )}
        {Object.entries(step)
          .filter(([name, value]) => !KNOWN.has(name) && isSaid(value))
          .map(([name, value]) => (
            <span key={name} className="faint">
              {" "}
              · {name.replaceAll("_", " ")} {formatValue(value, "text")}
            </span>
          ))}
      </span>
      <span className="faint number">
        {isSaid(step.removed) && `−${amount(step.removed)}`} {isSaid(left) && `${amount(left)} left`}
      </span>
    </li>
  );
}

function amount(value: unknown): string {
  return typeof value === "number" ? formatNumber(value) : formatValue(value, "text");
}

function isSaid(value: unknown): boolean {
  return value !== null && value !== undefined && value !== "";
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
