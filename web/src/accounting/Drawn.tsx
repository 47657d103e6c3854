/** A plot with its numbers below, and both as files. */

import { Button } from "@mantine/core";
import { useCallback, useMemo, useRef } from "react";
import { Nothing } from "@/kit/Panel";
import { TimeChart } from "@/kit/TimeChart";
import { sayFault } from "@/kit/toasts";
import type { View } from "@/kit/views";
import { pictureOf, saveFile } from "./picture";
import { bucketSeconds, coloursOf, csvOf, formatOf, isCount, isQuotient, type Plot } from "./plots";

type Props = {
  plot: Plot;
  title: string;
  isStacked: boolean;
  /** The list whose statuses the series are, which then have its colours. */
  statuses?: View;
  /** Narrows the plot to one of its series. */
  onPick?: (name: string) => void;
};

export default function Drawn({ plot, title, isStacked, statuses, onPick }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const times = useMemo(() => plot.buckets.map((at) => new Date(at).getTime() / 1000), [plot]);
  const series = useMemo(() => {
    const names = plot.series.map(({ name }) => name);
    const colours = coloursOf(names, statuses);
    return plot.series.map(({ name, values }, index) => ({ name, values, colour: colours[index] }));
  }, [plot, statuses]);
  // The chart is drawn anew when what it gets differs: it keeps one function, which does what is right now.
  const picked = useRef(onPick);
  picked.current = onPick;
  const pick = useCallback(
    (name: string) => {
      if (plot.series.some((each) => each.name === name && !each.is_other)) {
        picked.current?.(name);
      }
    },
    [plot],
  );
  const format = useMemo(() => formatOf(plot), [plot]);
  if (plot.series.length === 0) {
    return (
      <Nothing>
        Nothing ended in this time. Choose a longer one; what runs now is counted when it ends.
      </Nothing>
    );
  }
  const name = title.replaceAll(/[^A-Za-z0-9]+/g, "-").toLowerCase();
  const savePicture = async () => {
    try {
      if (place.current) {
        saveFile(`${name}.png`, await pictureOf(place.current, title));
      }
    } catch (error) {
      sayFault(error, "The picture");
    }
  };
  return (
    <div className="stack">
      <div className="head">
        <h2>{title}</h2>
        <span className="grow" />
        <Button.Group>
          <Button size="compact-sm" variant="default" onClick={savePicture}>
            PNG
          </Button>
          <Button
            size="compact-sm"
            variant="default"
            onClick={() => saveFile(`${name}.csv`, new Blob([csvOf(plot)], { type: "text/csv" }))}
          >
            CSV
          </Button>
        </Button.Group>
      </div>
      <div ref={place}>
        <TimeChart
          times={times}
          series={series}
          label={title}
          height={320}
          isStacked={isStacked}
          bucket_s={bucketSeconds(plot)}
          isCount={isCount(plot)}
          format={format}
          onPick={pick}
        />
      </div>
      <Totals plot={plot} format={format} onPick={onPick} />
    </div>
  );
}

type TotalsProps = Pick<Props, "plot" | "onPick"> & { format: (value: number) => string };

function Totals({ plot, format, onPick }: TotalsProps) {
  const written = (value: number | null | undefined) =>
    value === null || value === undefined ? "–" : format(value);
  return (
    <div className="sheet-scroll" tabIndex={0} role="region" aria-label="The numbers of the plot">
      <table className="sheet">
        <thead>
          <tr>
            <th scope="col">Name</th>
            {[isQuotient(plot.value) ? "Over all" : "Sum", "Lowest", "Highest", "Latest"].map((head) => (
              <th key={head} scope="col" className="number">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {plot.series.map((each) => {
            const known = each.values.filter((value) => value !== null);
            return (
              <tr key={each.name}>
                <th scope="row">
                  {each.is_other || !onPick ? (
                    each.is_other ? (
                      "all others"
                    ) : (
                      each.name
                    )
                  ) : (
                    <button
                      type="button"
                      className="place"
                      title={`Only ${each.name}`}
                      onClick={() => onPick(each.name)}
                    >
                      {each.name}
                    </button>
                  )}
                </th>
                <td className="number">{written(plot.normalised ? null : each.total)}</td>
                <td className="number">{written(known.length ? Math.min(...known) : null)}</td>
                <td className="number">{written(known.length ? Math.max(...known) : null)}</td>
                <td className="number">{written(each.values.at(-1))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
