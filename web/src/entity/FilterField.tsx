/** The field that takes the filter language, and offers what can come next. */

import { useDebouncedValue } from "@mantine/hooks";
import { type KeyboardEvent, type Ref, useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import { needsValues, type Option, optionsAt, type Place, placeIn, withOption } from "@/kit/completion";
import { takesList } from "@/kit/filters";
import type { Given } from "./given";
import { useValues } from "./useValues";

const SETTLE_MS = 200;

type Props = Given & {
  field: Ref<HTMLInputElement>;
  typed: string;
  placeholder: string;
  faultId: string | undefined;
  onType: (text: string) => void;
  onSubmit: () => void;
  /** Takes the last condition away. */
  onBack: () => void;
};

export function FilterField(props: Props) {
  const { field, typed, placeholder, faultId, onType, onSubmit, onBack } = props;
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const wanted = useRef<number>(undefined);
  const [caret, setCaret] = useState(0);
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const { place, options } = useOptions(props, typed.slice(0, caret), isOpen);
  const shown = isOpen ? options : [];

  // What is written by us is followed by the caret as soon as it is there, before anything more can be typed.
  // biome-ignore lint/correctness/useExhaustiveDependencies: follows what stands in the field.
  useLayoutEffect(() => {
    if (wanted.current !== undefined) {
      input.current?.setSelectionRange(wanted.current, wanted.current);
      wanted.current = undefined;
    }
  }, [typed]);

  const type = (text: string, at: number) => {
    onType(text);
    setCaret(at);
    setActive(-1);
  };
  const choose = (option: Option) => {
    if (!place) {
      return;
    }
    const next = withOption(typed, caret, place, option);
    type(next.text, next.caret);
    wanted.current = next.caret;
    setOpen(place.kind !== "value" || (place.operator !== undefined && takesList(place.operator)));
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const chosen = shown[active];
    if (step !== 0) {
      event.preventDefault();
      setOpen(true);
      setActive((at) =>
        options.length === 0 ? -1 : (Math.max(at + step, -1 - step) + options.length) % options.length,
      );
    } else if (chosen && (event.key === "Enter" || (event.key === "Tab" && !event.shiftKey))) {
      event.preventDefault();
      choose(chosen);
    } else if (event.key === "Escape" && shown.length > 0) {
      event.stopPropagation();
      setOpen(false);
      setActive(-1);
    } else if (event.key === "Escape") {
      event.currentTarget.blur();
    } else if (event.key === "Backspace" && typed === "") {
      onBack();
    }
  };
  return (
    <form
      className="filter-form"
      onSubmit={(event) => {
        event.preventDefault();
        setOpen(false);
        onSubmit();
      }}
    >
      <input
        id="filter"
        ref={(element) => {
          input.current = element;
          if (typeof field === "function") {
            field(element);
          } else if (field) {
            field.current = element;
          }
        }}
        role="combobox"
        aria-label="Filter"
        aria-autocomplete="list"
        aria-expanded={shown.length > 0}
        aria-controls={`${id}-options`}
        aria-activedescendant={shown[active] ? `${id}-${active}` : undefined}
        aria-invalid={faultId !== undefined}
        aria-describedby={faultId}
        autoComplete="off"
        spellCheck={false}
        placeholder={placeholder}
        value={typed}
        onChange={(event) => {
          type(event.target.value, event.target.selectionStart ?? event.target.value.length);
          setOpen(event.target.value !== "");
        }}
        onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? typed.length)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      <div
        className="filter-options"
        role="listbox"
        id={`${id}-options`}
        aria-label="Suggestions"
        hidden={shown.length === 0}
      >
        {shown.map((option, index) => (
          <div
            key={option.label}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            ref={(element) => {
              if (index === active) {
                element?.scrollIntoView({ block: "nearest" });
              }
            }}
            // The field keeps the focus.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => choose(option)}
          >
            <span className="mono">{option.label}</span> <span className="faint">{option.detail}</span>
          </div>
        ))}
      </div>
    </form>
  );
}

function useOptions(given: Given, before: string, isOpen: boolean): { place?: Place; options: Option[] } {
  const { view } = given;
  const place = useMemo(() => (isOpen ? placeIn(before, view) : undefined), [isOpen, before, view]);
  const wanted = needsValues(place, view) ? place : undefined;
  const [settled] = useDebouncedValue(wanted?.typed ?? "", SETTLE_MS);
  const { counted } = useValues({ ...given, column: wanted?.column, typed: settled });
  return useMemo(
    () => ({
      place,
      options: place ? optionsAt(place, view, counted.map(({ value }) => value).filter(Boolean)) : [],
    }),
    [place, view, counted],
  );
}
