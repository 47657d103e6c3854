/** Why something waits or failed: the verdict, what can be done, what was found, and what was asked for and offered. */

import { IconBulb, IconCheck, IconX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { formatDuration } from "@/kit/formats";
import { isMapping } from "@/kit/templates";
import { type Finding, findingsOf, restOf, type Step, stepsOf, suggestionsOf, tablesOf } from "./explanation";
import { PlainTable } from "./PlainTable";
import type { TabProps } from "./tab";

export function Why(props: TabProps) {
  const { content, tab, view } = props;
  if (!isMapping(content)) {
    return <p>{String(content)}</p>;
  }
  const isOver = view.statuses?.some(({ value, terminal }) => terminal && value === content.status);
  const steps = stepsOf(content);
  const facts: Finding[] = [
    ...findingsOf(content),
    ...restOf(content).map(([condition, text]) => ({ condition, text, link: undefined })),
  ];
  return (
    <div className="why">
      <p className="verdict">{String(content.verdict ?? "")}</p>
      {typeof content.waiting_s === "number" && (
        <p className="faint">
          {String(content.status ?? "")}{" "}
          {isOver ? `${formatDuration(content.waiting_s)} ago` : `for ${formatDuration(content.waiting_s)}`}
        </p>
      )}
      <ul className="suggestions" aria-label="What you can do">
        {suggestionsOf(content).map((text) => (
          <li key={text}>
            <IconBulb size={16} aria-hidden /> {text}
          </li>
        ))}
      </ul>
      {facts.length > 0 && (
        <dl className="fields findings">
          {facts.map(({ condition, text, link }) => (
            <div key={condition}>
              <dt>{condition}</dt>
              <dd>{link ? <Link to={link}>{text}</Link> : text}</dd>
            </div>
          ))}
        </dl>
      )}
      {steps.length > 0 && (
        <ol className="steps" aria-label="Conditions">
          {steps.map((step, index) => (
            <OneStep key={index} step={step} />
          ))}
        </ol>
      )}
      {tablesOf(content).map(({ title, rows }) => (
        <section key={title} className="why-part">
          <h3>{title}</h3>
          <PlainTable {...props} tab={{ ...tab, columns: [] }} content={rows} />
        </section>
      ))}
    </div>
  );
}

function OneStep({ step }: { step: Step }) {
  return (
    <li data-end={step.isEnd || undefined}>
      {step.isEnd ? <IconX size={15} aria-label="nothing is left" /> : <IconCheck size={15} aria-hidden />}
      <span>
        <strong>{step.condition.replaceAll("_", " ")}</strong>
        {step.wanted && <> wants {step.wanted}</>}
        {step.offered && <span className="faint">, offered: {step.offered}</span>}
      </span>
      <span className="faint number">
        {step.removed && `without ${step.removed}; `}
        {step.left && `left: ${step.left}`}
      </span>
    </li>
  );
}
