/** Plots of what was used: of which jobs or pilots, by what, over which time; as picture, table and files. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy } from "react";
import { ask } from "@/kit/api";
import { Fault, Panel, Waiting } from "@/kit/Panel";
import { mayUse, useMe, useView } from "@/kit/session";
import { useAddress } from "@/kit/useAddress";
import { useTitle } from "@/kit/useTitle";
import {
  type Asked,
  type Bucket,
  datesBefore,
  datesOf,
  isQuotient,
  KEYS,
  type Plot,
  questionOf,
  RANGES,
  type Subject,
  usualBucket,
  VALUES,
} from "./plots";
import "@/kit/written.css";

const Drawn = lazy(() => import("./Drawn"));

const DATES = "dates";
const WATCHERS = ["AccountingMonitor", "JobAdministrator", "Operator", "ServiceAdministrator"];

export default function Accounting() {
  useTitle("Accounting");
  const isWatcher = mayUse(useMe(), WATCHERS);
  const { word, change } = useAddress();
  const subject = word("of", "jobs", isWatcher ? ["jobs", "pilots"] : ["jobs"]) as Subject;
  const range = word("range", "-30d", Object.keys(RANGES));
  const dates = datesOf(word("from", ""), word("to", ""));
  const only = Object.fromEntries(
    Object.keys(KEYS[subject])
      .map((key) => [key, word(`only_${key}`, "")] as const)
      .filter(([, name]) => name !== ""),
  );
  const asked: Asked = {
    subject,
    range,
    dates,
    only,
    value: word("value", subject, Object.keys(VALUES[subject])),
    by: word("by", "site", ["", ...Object.keys(KEYS[subject])]),
    bucket: word("bucket", usualBucket(range, dates), ["hour", "day", "month"]) as Bucket,
    parts: word("parts", "") === "1",
  };
  const isStacked = !isQuotient(asked.value) && word("as", "stack", ["stack", "lines"]) === "stack";
  const plot = useQuery({
    queryKey: ["accounting", asked],
    queryFn: ({ signal }) =>
      ask<Plot>("POST", `/api/accounting/${subject}/series`, { body: questionOf(asked, new Date()), signal }),
  });
  const list = useView(subject);
  const key = asked.by ? ` by ${KEYS[subject][asked.by]?.toLowerCase()}` : "";
  const names = Object.values(only).map((name) => ` of ${name}`);
  const time = dates ? `${dates.from} to ${dates.to}` : `last ${RANGES[range]}`;
  const title = `${VALUES[subject][asked.value]}${names.join("")}${key}, ${time}`;
  const pick = asked.by ? (name: string) => change({ [`only_${asked.by}`]: name }) : undefined;
  return (
    <div className="written">
      <div className="head">
        <h1>Accounting</h1>
        {!isWatcher && <span className="faint">of your own jobs</span>}
      </div>
      <div className="controls">
        {isWatcher && (
          <Choice
            label="Show"
            value={subject}
            options={{ jobs: "Jobs", pilots: "Pilots" }}
            onChange={(of) => change({ of, value: undefined, by: undefined, ...noneOf(only) })}
          />
        )}
        <Choice
          label="Value"
          value={asked.value}
          options={VALUES[subject]}
          onChange={(value) => change({ value })}
        />
        <Choice
          label="Split by"
          value={asked.by}
          options={{ "": "none", ...KEYS[subject] }}
          onChange={(by) => change({ by })}
        />
        <Choice
          label="Last"
          value={dates ? DATES : range}
          options={{ ...RANGES, [DATES]: "custom dates" }}
          onChange={(value) =>
            change(
              value === DATES
                ? { ...datesBefore(new Date(), range), bucket: undefined }
                : { range: value, from: undefined, to: undefined, bucket: undefined },
            )
          }
        />
        {dates && (
          <>
            <Day label="From" value={dates.from} max={dates.to} onChange={(from) => change({ from })} />
            <Day label="To" value={dates.to} min={dates.from} onChange={(to) => change({ to })} />
          </>
        )}
        <Choice
          label="Step"
          value={asked.bucket}
          options={{ hour: "hour", day: "day", month: "month" }}
          onChange={(bucket) => change({ bucket })}
        />
        {!isQuotient(asked.value) && (
          <>
            <Choice
              label="Chart"
              value={isStacked ? "stack" : "lines"}
              options={{ stack: "stack", lines: "lines" }}
              onChange={(as) => change({ as })}
            />
            <label className="inline">
              <input
                type="checkbox"
                checked={asked.parts}
                onChange={(event) => change({ parts: event.target.checked ? "1" : undefined })}
              />
              Normalised
            </label>
          </>
        )}
      </div>
      {Object.keys(only).length > 0 && (
        <div className="head">
          {Object.entries(only).map(([key, name]) => (
            <Button
              key={key}
              size="compact-xs"
              variant="light"
              aria-label={`Remove filter ${name}`}
              onClick={() => change({ [`only_${key}`]: undefined })}
            >
              {KEYS[subject][key]}: {name} ×
            </Button>
          ))}
        </div>
      )}
      {plot.error && <Fault error={plot.error} what="The plot" onRetry={() => plot.refetch()} />}
      {plot.isPending && <Waiting />}
      {plot.data && !plot.error && (
        <Panel what="The plot" key={title}>
          <Drawn
            plot={plot.data}
            title={title}
            isStacked={isStacked}
            statuses={asked.by === "status" ? list : undefined}
            onPick={pick}
          />
        </Panel>
      )}
    </div>
  );
}

function noneOf(only: Record<string, string>): Record<string, undefined> {
  return Object.fromEntries(Object.keys(only).map((key) => [`only_${key}`, undefined]));
}

type DayProps = {
  label: string;
  value: string;
  min?: string;
  max?: string;
  onChange: (day: string) => void;
};

/** A day; what is half typed, or lies behind the other one, changes nothing yet. */
function Day({ label, value, min, max, onChange }: DayProps) {
  return (
    <label>
      {label}
      <input
        type="date"
        className="field"
        value={value}
        min={min}
        max={max}
        onChange={({ target }) => target.value && target.validity.valid && onChange(target.value)}
      />
    </label>
  );
}

type ChoiceProps = {
  label: string;
  value: string;
  options: Record<string, string>;
  onChange: (value: string) => void;
};

function Choice({ label, value, options, onChange }: ChoiceProps) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        {Object.entries(options).map(([name, title]) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}
