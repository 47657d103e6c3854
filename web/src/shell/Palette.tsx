/** Finds pages and things by what is typed: an id, a name, or a word of a page's title. */

import { Modal, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { DOCUMENTATION } from "@/kit/documentation";
import { NamedIcon } from "@/kit/icons";
import { useGroups } from "@/kit/pages";
import { useViews } from "@/kit/session";
import { choicesFor } from "./choices";

export default function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const navigate = useNavigate();
  const groups = useGroups();
  const views = useViews();
  const list = useRef<HTMLDivElement>(null);
  const choices = choicesFor(text, groups, views);
  const active = Math.min(at, Math.max(0, choices.length - 1));

  const go = (index: number) => {
    const choice = choices[index];
    if (choice) {
      onClose();
      if (choice.to.startsWith(DOCUMENTATION)) {
        window.location.assign(choice.to);
      } else {
        void navigate({ to: choice.to, search: choice.search ?? {} });
      }
    }
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: follows the choice that the keys have reached.
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [active]);
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      padding={0}
      size="lg"
      aria-label="Find"
      yOffset="10vh"
    >
      <TextInput
        data-autofocus
        size="md"
        variant="unstyled"
        className="palette-input"
        leftSection={<IconSearch size={18} />}
        placeholder="Job ID, pilot stamp, site, page…"
        aria-label="Find"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-choices"
        aria-activedescendant={choices.length > 0 ? `palette-${active}` : undefined}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            const step = event.key === "ArrowDown" ? 1 : -1;
            setAt((active + step + choices.length) % Math.max(1, choices.length));
          } else if (event.key === "Enter") {
            event.preventDefault();
            go(active);
          }
        }}
      />
      <div className="palette" id="palette-choices" role="listbox" aria-label="Results" ref={list}>
        {choices.map((choice, index) => (
          <div
            key={choice.key}
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            onClick={() => go(index)}
            onMouseMove={() => setAt(index)}
          >
            <NamedIcon name={choice.icon} />
            <span>{choice.title}</span>
            <span className="faint">{choice.note}</span>
          </div>
        ))}
        {choices.length === 0 && <div className="nothing">No results.</div>}
      </div>
    </Modal>
  );
}
