/** A field for long texts of which lines are spoken of: numbers beside the lines, and marks at those that are wrong. */

import { type Ref, useImperativeHandle, useMemo, useRef } from "react";
import "./written.css";

export type Place = { line: number; column?: number };
export type EditorHandle = { goTo: (place: Place) => void };
export type LineMark = { tone: "danger" | "warning"; text: string };

type Props = {
  value: string;
  onChange: (value: string) => void;
  label: string;
  /** Lines with something wrong, counted from 1. */
  wrong?: readonly number[];
  /** What is said of single lines, beside what is wrong. */
  marks?: ReadonlyMap<number, LineMark>;
  describedBy?: string;
  readOnly?: boolean;
  placeholder?: string;
  handle?: Ref<EditorHandle>;
};

const LINE_PX = 20;
const PADDING_PX = 8;
const NOTHING: readonly number[] = [];

export function Editor({
  value,
  onChange,
  label,
  wrong = NOTHING,
  marks,
  describedBy,
  readOnly,
  placeholder,
  handle,
}: Props) {
  const numbers = useRef<HTMLPreElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const lines = useMemo(() => value.split("\n").length, [value]);
  const bands = useRef<HTMLDivElement>(null);
  const marked = useMemo(() => {
    const all = new Map<number, LineMark>(wrong.map((line) => [line, { tone: "danger", text: "" }]));
    for (const [line, mark] of marks ?? []) {
      all.set(line, mark);
    }
    return all;
  }, [wrong, marks]);
  const isWrong = [...marked.values()].some((mark) => mark.tone === "danger");
  useImperativeHandle(handle, () => ({
    goTo: (place) => {
      const element = field.current;
      if (element) {
        const at = offsetOf(element.value, place);
        element.focus();
        element.setSelectionRange(at, at);
        element.scrollTop = Math.max(0, (place.line - 4) * LINE_PX);
      }
    },
  }));
  return (
    <div className="editor">
      <pre ref={numbers} aria-hidden>
        {Array.from({ length: lines }, (_, index) => (
          <span
            key={index}
            data-tone={marked.get(index + 1)?.tone}
            title={marked.get(index + 1)?.text || undefined}
          >
            {index + 1}
          </span>
        ))}
      </pre>
      <div className="bands" aria-hidden>
        <div ref={bands}>
          {[...marked].map(([line, { tone }]) => (
            <i
              key={line}
              className={`tone-${tone}`}
              style={{ top: PADDING_PX + (line - 1) * LINE_PX, height: LINE_PX }}
            />
          ))}
        </div>
      </div>
      <textarea
        ref={field}
        aria-label={label}
        aria-describedby={describedBy}
        aria-invalid={isWrong || undefined}
        value={value}
        readOnly={readOnly}
        placeholder={placeholder}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        wrap="off"
        onChange={(event) => onChange(event.target.value)}
        onScroll={(event) => {
          if (numbers.current) {
            numbers.current.scrollTop = event.currentTarget.scrollTop;
          }
          if (bands.current) {
            bands.current.style.transform = `translateY(${-event.currentTarget.scrollTop}px)`;
          }
        }}
      />
    </div>
  );
}

/** Return how far from the start of a text a place is; a place behind the end of its line is that end. */
export function offsetOf(text: string, { line, column = 1 }: Place): number {
  const lines = text.split("\n");
  const before = lines.slice(0, Math.max(0, line - 1)).reduce((sum, each) => sum + each.length + 1, 0);
  return Math.min(before + Math.min(column - 1, lines[line - 1]?.length ?? 0), text.length);
}
