/** A moment to come: typed, or chosen as a time from now. */

import { Button, TextInput, type TextInputProps } from "@mantine/core";
import { localMinute } from "./times";

const HOUR_MS = 3_600_000;
const AHEAD: [string, number][] = [
  ["1 hour", HOUR_MS],
  ["2 hours", 2 * HOUR_MS],
  ["8 hours", 8 * HOUR_MS],
  ["1 day", 24 * HOUR_MS],
  ["7 days", 7 * 24 * HOUR_MS],
];

type Props = Omit<TextInputProps, "value" | "onChange"> & {
  value: string;
  onChange: (value: string) => void;
};

export function TimeField({ value, onChange, ...more }: Props) {
  return (
    <div>
      <TextInput
        {...more}
        type="datetime-local"
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <div className="ahead" role="group" aria-label="From now">
        <span className="faint">In</span>
        {AHEAD.map(([title, ms]) => (
          <Button
            key={title}
            size="compact-xs"
            variant="subtle"
            onClick={() => onChange(localMinute(new Date(Date.now() + ms)))}
          >
            {title}
          </Button>
        ))}
      </div>
    </div>
  );
}
