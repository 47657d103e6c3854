/** Chooses which columns are shown, and in which order. */

import { ActionIcon, Button, Checkbox, Group, Modal } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useState } from "react";
import { changePreferences, choiceWith, usePreferences } from "@/kit/preferences";
import type { Given } from "./given";

export default function ColumnChooser({ view, columns, change, onClose }: Given & { onClose: () => void }) {
  const [names, setNames] = useState(columns.map((column) => column.name));
  const others = view.columns.filter((column) => column.shown !== false && !names.includes(column.name));
  const move = (index: number, by: number) => {
    const next = [...names];
    const [name] = next.splice(index, 1);
    next.splice(index + by, 0, name as string);
    setNames(next);
  };
  const [isKept, setKept] = useState(false);
  const preferences = usePreferences();
  const done = () => {
    const isUsual = names.join() === view.default_columns.join();
    if (isKept) {
      changePreferences({ columns: choiceWith(preferences.columns, view.name, isUsual ? undefined : names) });
    }
    change({ columns: isKept || (isUsual && !preferences.columns?.[view.name]) ? undefined : names });
    onClose();
  };
  return (
    <Modal opened onClose={onClose} title="Columns" size="sm">
      <ul className="chooser">
        {names.map((name, index) => {
          const column = view.columns.find((each) => each.name === name);
          return (
            <li key={name}>
              <Checkbox
                size="xs"
                checked
                label={column?.title ?? name}
                onChange={() => setNames(names.filter((each) => each !== name))}
              />
              <span className="grow" />
              <ActionIcon
                size="sm"
                variant="subtle"
                color="gray"
                aria-label={`Move ${column?.title} left`}
                disabled={index === 0}
                onClick={() => move(index, -1)}
              >
                <IconArrowUp size={14} />
              </ActionIcon>
              <ActionIcon
                size="sm"
                variant="subtle"
                color="gray"
                aria-label={`Move ${column?.title} right`}
                disabled={index === names.length - 1}
                onClick={() => move(index, 1)}
              >
                <IconArrowDown size={14} />
              </ActionIcon>
            </li>
          );
        })}
        {others.map((column) => (
          <li key={column.name}>
            <Checkbox
              size="xs"
              checked={false}
              label={column.title}
              description={column.help || undefined}
              onChange={() => setNames([...names, column.name])}
            />
          </li>
        ))}
      </ul>
      <Checkbox
        size="xs"
        label="Use these columns whenever I open this list"
        checked={isKept}
        onChange={(event) => setKept(event.target.checked)}
      />
      <Group justify="space-between" mt="md">
        <Button variant="default" size="compact-sm" onClick={() => setNames([...view.default_columns])}>
          Default columns
        </Button>
        <Button size="compact-sm" onClick={done} disabled={names.length === 0}>
          Apply
        </Button>
      </Group>
    </Modal>
  );
}
