/** Named values with where each comes from; those who may set a value, or take one away, as long as it is its own. */

import { ActionIcon, Button, Group, NativeSelect, VisuallyHidden } from "@mantine/core";
import { IconEdit, IconTrash } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { askCall, failuresIn } from "@/kit/api";
import { problemsOf, sentValues, type Values } from "@/kit/forms";
import { personOf } from "@/kit/listing";
import { Nothing } from "@/kit/Panel";
import { SchemaForm } from "@/kit/SchemaForm";
import { useMe } from "@/kit/session";
import { say } from "@/kit/toasts";
import { Value } from "@/kit/Value";
import { columnOf, type Field, metadataOf, schemaOf, typedOf } from "./metadata";
import type { TabProps } from "./tab";

export default function Metadata(props: TabProps) {
  const { view, tab, content } = props;
  const { fields, mayEdit } = metadataOf(content);
  const [editing, setEditing] = useState<string>();
  const { set, isBusy, fault, clear } = useSetting(props, () => setEditing(undefined));
  const canEdit = mayEdit && Boolean(tab.edit);
  const edit = (name: string | undefined) => {
    clear();
    setEditing(name);
  };
  const full = fields.filter(({ value }) => value !== undefined);
  const empty = fields.filter(({ value }) => value === undefined);
  const edited = fields.find(({ name }) => name === editing);
  if (fields.length === 0) {
    return <Nothing>Your VO has no metadata fields for this.</Nothing>;
  }
  return (
    <>
      {full.length > 0 && (
        <div className="plain-scroll">
          <table className="plain">
            <thead>
              <tr>
                <th>Field</th>
                <th>Value</th>
                <th>From</th>
                {canEdit && (
                  <th>
                    <VisuallyHidden>Change</VisuallyHidden>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {full.map((field) => (
                <tr key={field.name}>
                  <td title={field.help || undefined}>{field.name}</td>
                  <td>
                    <Value column={columnOf(field)} row={{ value: field.value }} view={view} />
                  </td>
                  <td className="faint mono">{field.isOwn ? "its own" : field.from}</td>
                  {canEdit && (
                    <td className="number">
                      <Tools
                        field={field}
                        isBusy={isBusy}
                        onEdit={edit}
                        onRemove={() => void set(field.name, null)}
                      />
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {full.length === 0 && <Nothing>No values yet.</Nothing>}
      {canEdit && !edited && empty.length > 0 && (
        <NativeSelect
          size="xs"
          className="metadata-more"
          label="Set another field"
          value=""
          data={["", ...empty.map(({ name }) => name)]}
          onChange={(event) => edit(event.target.value || undefined)}
        />
      )}
      {edited && (
        <Form
          key={edited.name}
          field={edited}
          isBusy={isBusy}
          onSet={(value) => void set(edited.name, value)}
          onCancel={() => edit(undefined)}
        />
      )}
      {fault && (
        <p className="fault" role="alert">
          {fault}
        </p>
      )}
      {!canEdit && empty.length > 0 && (
        <p className="faint">Without a value: {empty.map(({ name }) => name).join(", ")}.</p>
      )}
    </>
  );
}

function Tools({
  field,
  isBusy,
  onEdit,
  onRemove,
}: {
  field: Field;
  isBusy: boolean;
  onEdit: (name: string) => void;
  onRemove: () => void;
}) {
  return (
    <Group gap={2} wrap="nowrap" justify="flex-end">
      <ActionIcon
        size="sm"
        variant="subtle"
        color="gray"
        aria-label={`Change ${field.name}`}
        disabled={isBusy}
        onClick={() => onEdit(field.name)}
      >
        <IconEdit size={15} />
      </ActionIcon>
      {field.isOwn && (
        <ActionIcon
          size="sm"
          variant="subtle"
          color="gray"
          aria-label={`Remove its own ${field.name}`}
          disabled={isBusy}
          onClick={onRemove}
        >
          <IconTrash size={15} />
        </ActionIcon>
      )}
    </Group>
  );
}

type FormProps = {
  field: Field;
  isBusy: boolean;
  onSet: (value: unknown) => void;
  onCancel: () => void;
};

function Form({ field, isBusy, onSet, onCancel }: FormProps) {
  const schema = schemaOf(field);
  const [values, setValues] = useState<Values>({ value: typedOf(field) });
  const [problems, setProblems] = useState<Record<string, string>>({});
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wrong = problemsOf(schema, values);
    setProblems(wrong);
    if (Object.keys(wrong).length === 0) {
      onSet(sentValues(schema, values).value);
    }
  };
  return (
    <form className="metadata-form" aria-label={`Set ${field.name}`} onSubmit={submit}>
      <SchemaForm schema={schema} values={values} problems={problems} onChange={setValues} />
      <Group gap="xs" mt="xs">
        <Button type="submit" size="compact-sm" loading={isBusy}>
          Set
        </Button>
        <Button size="compact-sm" variant="default" onClick={onCancel}>
          Cancel
        </Button>
      </Group>
    </form>
  );
}

function useSetting({ view, tab, row }: TabProps, onDone: () => void) {
  const me = useMe();
  const queries = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();
  const set = async (name: string, value: unknown) => {
    if (!tab.edit) {
      return;
    }
    setBusy(true);
    setFault(undefined);
    try {
      const values = { ...personOf(me), ...row, $name: name, $value: value };
      const [failed] = failuresIn(await askCall(tab.edit, values));
      if (failed !== undefined) {
        throw new Error(failed);
      }
      say(value === null ? `${name} is removed.` : `${name} is set.`);
      await queries.invalidateQueries({ queryKey: ["one", view.name] });
      void queries.invalidateQueries({ queryKey: ["rows", view.name] });
      onDone();
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  return { set, isBusy, fault, clear: () => setFault(undefined) };
}
