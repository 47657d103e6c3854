/** Why something waits or failed: the verdict, what was asked for and what there was, and what can be done. */

import { IconBulb, IconCheck, IconX } from "@tabler/icons-react";
import { formatDuration, formatValue } from "@/kit/formats";
import { isMapping } from "@/kit/templates";
import { restOf, type Step, stepsOf, suggestionsOf, words } from "./explanation";
import { PlainTable } from "./PlainTable";
import type { TabProps } from "./tab";

export function Why(props: TabProps) {
  const { content, tab } = props;
  if (!isMapping(content)) {
    return <p>{String(content)}</p>;
  }
  const steps = stepsOf(content);
  const { values, groups, tables } = restOf(content);
  return (
    <div className="why">
      <p className="verdict">{String(content.verdict ?? "")}</p>
      {typeof content.waiting_s === "number" && (
        <p className="faint">for {formatDuration(content.waiting_s)}</p>
      )}
      <ul className="suggestions">
        {suggestionsOf(content).map((text) => (
          <li key={text}>
            <IconBulb size={16} aria-hidden /> {text}
          </li>
        ))}
      </ul>
      <ol className="steps">
        {steps.map((step, index) => (
          <OneStep key={index} step={step} />
        ))}
      </ol>
      {tables.map(([name, rows]) => (
        <section key={name} className="why-part">
          <h3>{words(name)}</h3>
          <PlainTable {...props} tab={{ ...tab, columns: [] }} content={rows} />
        </section>
      ))}
      {(values.length > 0 || groups.length > 0) && (
        <dl className="fields">
          {[...values, ...groups.map(([name, group]) => [name, inline(group)] as const)].map(
            ([name, value]) => (
              <div key={name}>
                <dt>{words(name)}</dt>
                <dd>{formatValue(value, "text")}</dd>
              </div>
            ),
          )}
        </dl>
      )}
    </div>
  );
}

function OneStep({ step }: { step: Step }) {
  return (
    <li data-end={step.isEnd || undefined}>
      {step.isEnd ? <IconX size={15} aria-label="nothing is left" /> : <IconCheck size={15} aria-hidden />}
      <span>
        <strong>{step.condition}</strong>
        {step.wanted && <> wants {step.wanted}</>}
        {step.offered && <span className="faint">, there is {step.offered}</span>}
      </span>
      <span className="faint number">
        {step.removed && `without ${step.removed}; `}
        {step.left && `left: ${step.left}`}
      </span>
    </li>
  );
}

function inline(group: Record<string, unknown>): string {
  return Object.entries(group)
    .map(([name, value]) => `${words(name)} ${formatValue(value, "text")}`)
    .join(", ");
}
