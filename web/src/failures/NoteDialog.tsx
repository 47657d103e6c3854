/** Says what is known of a kind of failure, to everybody in the VO. */

import { Button, Group, Modal } from "@mantine/core";
import { useState } from "react";
import { ask } from "@/kit/api";
import { useIsCovered } from "@/kit/covers";
import { Fault } from "@/kit/Panel";
import { say } from "@/kit/toasts";
import type { Cluster } from "./clusters";

type Props = { cluster: Cluster; onClose: () => void; onDone: () => void };

export default function NoteDialog({ cluster, onClose, onDone }: Props) {
  const [note, setNote] = useState(cluster.note?.note ?? "");
  const [link, setLink] = useState(cluster.note?.link ?? "");
  const [error, setError] = useState<unknown>();
  const [isSending, setSending] = useState(false);
  const isCovered = useIsCovered();
  const save = async () => {
    setSending(true);
    setError(undefined);
    try {
      await ask("PUT", `/api/jobs/failures/${cluster.signature}/note`, {
        body: { note, ...(link.trim() && { link: link.trim() }) },
      });
      say(note.trim() ? "Note saved." : "Note removed.");
      onDone();
    } catch (problem) {
      setError(problem);
    } finally {
      setSending(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title="Note on this failure" size="lg" closeOnEscape={!isCovered}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <p className="mono">{cluster.text}</p>
        <label>
          Note
          <textarea
            className="field"
            rows={5}
            maxLength={2000}
            value={note}
            onChange={(event) => setNote(event.target.value)}
            data-autofocus
          />
        </label>
        <label>
          Link, for example to a ticket
          <input
            className="field"
            type="url"
            placeholder="https://"
            value={link}
            onChange={(event) => setLink(event.target.value)}
          />
        </label>
        <p className="faint">Everybody in your VO can read it. Saving an empty note removes it.</p>
        {error !== undefined && <Fault error={error} what="The note" />}
        <Group justify="end">
          <Button variant="default" onClick={onClose}>
            Close
          </Button>
          <Button type="submit" loading={isSending}>
            Save
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
