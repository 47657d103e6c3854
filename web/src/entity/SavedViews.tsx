/** Lists that were saved under a name: one's own, and those that others share. */

import { ActionIcon, Button, Checkbox, Group, Modal, TextInput } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import type { components } from "@/generated/api";
import { readSearch } from "@/kit/address";
import { ask } from "@/kit/api";
import { Fault, Waiting } from "@/kit/Panel";
import { say, sayFault } from "@/kit/toasts";
import type { Given } from "./given";

type Saved = components["schemas"]["DashboardShown"];

export default function SavedViews({ view, onClose }: Given & { onClose: () => void }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [title, setTitle] = useState("");
  const [isShared, setShared] = useState(false);
  const saved = useQuery({
    queryKey: ["saved"],
    queryFn: () => ask<Saved[]>("GET", "/api/ui/dashboards", { query: { kind: "view" } }),
  });

  const add = async (event: FormEvent) => {
    event.preventDefault();
    const document = { view: view.name, search: window.location.search };
    try {
      await ask("POST", "/api/ui/dashboards", {
        body: { kind: "view", title: title.trim(), shared: isShared, document },
      });
      await queries.invalidateQueries({ queryKey: ["saved"] });
      setTitle("");
      say("Saved.");
    } catch (error) {
      sayFault(error, "Saving the view");
    }
  };
  const remove = async (each: Saved) => {
    try {
      await ask("DELETE", `/api/ui/dashboards/${encodeURIComponent(each.id)}`);
      await queries.invalidateQueries({ queryKey: ["saved"] });
    } catch (error) {
      sayFault(error, `Deleting “${each.title}”`);
    }
  };
  const show = async (each: Saved) => {
    try {
      const { document } = await ask<components["schemas"]["Dashboard"]>(
        "GET",
        `/api/ui/dashboards/${encodeURIComponent(each.id)}`,
      );
      onClose();
      void navigate({ to: `/${String(document.view)}`, search: readSearch(String(document.search ?? "")) });
    } catch (error) {
      sayFault(error, `Opening “${each.title}”`);
    }
  };
  return (
    <Modal opened onClose={onClose} title="Saved views">
      {saved.isPending && <Waiting />}
      {saved.isError && (
        <Fault error={saved.error} what="What is saved" onRetry={() => void saved.refetch()} />
      )}
      <ul className="chooser">
        {saved.data?.map((each) => (
          <li key={each.id}>
            <button type="button" className="as-link" onClick={() => void show(each)}>
              {each.title}
            </button>
            <span className="faint">{each.mine ? (each.shared ? "shared" : "") : `by ${each.owner}`}</span>
            <span className="grow" />
            {each.mine && (
              <ActionIcon
                size="sm"
                variant="subtle"
                color="gray"
                aria-label={`Delete ${each.title}`}
                onClick={() => void remove(each)}
              >
                <IconTrash size={15} />
              </ActionIcon>
            )}
          </li>
        ))}
        {saved.data?.length === 0 && <li className="faint">No saved views yet.</li>}
      </ul>
      <form onSubmit={(event) => void add(event)}>
        <TextInput
          label="Save this view as"
          value={title}
          maxLength={200}
          onChange={(event) => setTitle(event.target.value)}
        />
        <Group justify="space-between" mt="sm">
          <Checkbox
            size="xs"
            label="Share with the VO"
            checked={isShared}
            onChange={(event) => setShared(event.target.checked)}
          />
          <Button type="submit" size="compact-sm" disabled={title.trim() === ""}>
            Save
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
