/** Writes all rows that match into a file, page by page, so that it may be more than a browser holds. */

import { Button, Group, Modal, SegmentedControl } from "@mantine/core";
import { useRef, useState } from "react";
import { contentOf, cursorOf, type Row, send } from "@/kit/api";
import { csvLine, csvRows, ndjsonRows } from "@/kit/exports";
import { formatNumber } from "@/kit/formats";
import { valuesOf } from "@/kit/listing";
import { sayFault } from "@/kit/toasts";
import type { Given } from "./given";
import type { Rows } from "./useRows";

const PER_PAGE = 5000;

type Sink = { write: (text: string) => Promise<void>; close: () => Promise<void> };

export default function ExportDialog(props: Given & { rows: Rows; onClose: () => void }) {
  const { view, columns, rows, onClose } = props;
  const [kind, setKind] = useState<"csv" | "ndjson">("csv");
  const [written, setWritten] = useState<number>();
  const stop = useRef(new AbortController());
  const names = columns.map((column) => column.name);

  const start = async () => {
    stop.current = new AbortController();
    try {
      const sink = await openSink(`${view.name}.${kind}`);
      setWritten(0);
      let done = 0;
      if (kind === "csv") {
        await sink.write(csvLine(names));
      }
      for await (const part of parts(props, stop.current.signal)) {
        await sink.write(kind === "csv" ? csvRows(part, names) : ndjsonRows(part, names));
        done += part.length;
        setWritten(done);
      }
      await sink.close();
      onClose();
    } catch (error) {
      setWritten(undefined);
      if (!(error instanceof DOMException && error.name === "AbortError")) {
        sayFault(error, "The export");
      }
    }
  };
  const cancel = () => {
    stop.current.abort();
    onClose();
  };
  return (
    <Modal opened onClose={cancel} title={`Export ${view.title.toLowerCase()}`} size="sm">
      <p>
        {rows.isCountKnown ? `All ${formatNumber(rows.count)}` : "All"} matching rows, with the columns shown.
      </p>
      <SegmentedControl
        size="xs"
        value={kind}
        onChange={(value) => setKind(value as "csv" | "ndjson")}
        data={[
          { value: "csv", label: "CSV" },
          { value: "ndjson", label: "NDJSON, one row per line" },
        ]}
      />
      {kind === "csv" && (
        <p className="faint">
          Texts that a spreadsheet would read as formulas are prefixed with an apostrophe.
        </p>
      )}
      {written !== undefined && <p role="status">{formatNumber(written)} rows written…</p>}
      <Group justify="flex-end" mt="md">
        <Button variant="default" size="compact-sm" onClick={cancel}>
          Cancel
        </Button>
        <Button size="compact-sm" loading={written !== undefined} onClick={() => void start()}>
          Download
        </Button>
      </Group>
    </Modal>
  );
}

async function* parts(
  { view, asked, me, columns, rows }: Given & { rows: Rows },
  signal: AbortSignal,
): AsyncGenerator<Row[]> {
  if ((view.search.paging ?? "none") === "none") {
    yield rows.loaded;
    return;
  }
  const values = valuesOf({ ...asked, columns: columns.map((column) => column.name) }, me);
  if (view.search.paging === "cursor") {
    let cursor: string | undefined;
    do {
      const query = { per_page: PER_PAGE, cursor };
      const answer = await send(view.search, values, { query, headers: { Prefer: "count=none" }, signal });
      yield (await contentOf(view.search, answer)) as Row[];
      cursor = cursorOf(answer);
    } while (cursor !== undefined);
    return;
  }
  for (let page = 1; ; page++) {
    const query = { page, per_page: PER_PAGE };
    const answer = await send(view.search, values, { query, headers: { Prefer: "count=none" }, signal });
    const part = (await contentOf(view.search, answer)) as Row[];
    yield part;
    if (part.length < PER_PAGE) {
      return;
    }
  }
}

/** A file on the disk where the browser lets us write one as we go, and otherwise one that is handed out at the end. */
async function openSink(name: string): Promise<Sink> {
  const picker = (window as { showSaveFilePicker?: (options: object) => Promise<FileSystemFileHandle> })
    .showSaveFilePicker;
  if (picker) {
    const file = await (await picker({ suggestedName: name })).createWritable();
    return { write: (text) => file.write(text), close: () => file.close() };
  }
  const texts: Blob[] = [];
  return {
    write: async (text) => {
      texts.push(new Blob([text]));
    },
    close: async () => {
      const address = URL.createObjectURL(new Blob(texts));
      const link = document.createElement("a");
      link.href = address;
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    },
  };
}
