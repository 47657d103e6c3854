/** Files that belong to an entity; the browser fetches them from the store itself, by an address that is signed for it. */

import { Button } from "@mantine/core";
import { IconDownload, IconFile } from "@tabler/icons-react";
import { useState } from "react";
import { formatBytes } from "@/kit/formats";
import { follow } from "@/kit/opening";
import { isMapping } from "@/kit/templates";
import { sayFault } from "@/kit/toasts";
import { addressOf } from "./saving";
import type { TabProps } from "./tab";

type Listed = { name: string; kind: string; size?: number };

export function Files({ tab, row, content }: TabProps) {
  const [busy, setBusy] = useState<string>();
  const files = filesIn(content);
  const fetchFile = async (name: string) => {
    if (!tab.file) {
      return;
    }
    setBusy(name);
    try {
      follow(await addressOf(tab, row, name));
    } catch (error) {
      sayFault(error, "Fetching the file");
    } finally {
      setBusy(undefined);
    }
  };
  return (
    <ul className="files">
      {files.map((file) => (
        <li key={file.name}>
          <IconFile size={16} aria-hidden />
          <span>
            {file.kind && <strong>{file.kind}</strong>} <span className="mono faint">{file.name}</span>
          </span>
          {file.size !== undefined && <span className="faint number">{formatBytes(file.size)}</span>}
          {tab.file && (
            <Button
              size="compact-xs"
              variant="default"
              leftSection={<IconDownload size={14} />}
              loading={busy === file.name}
              onClick={() => void fetchFile(file.name)}
            >
              Download
            </Button>
          )}
        </li>
      ))}
      {files.length === 0 && <li className="faint">No files.</li>}
    </ul>
  );
}

/** Files come as a list of names, as objects, or as lists by kind. */
function filesIn(content: unknown, kind = ""): Listed[] {
  if (typeof content === "string") {
    return [{ name: content, kind }];
  }
  if (Array.isArray(content)) {
    return content.flatMap((each) => filesIn(each, kind));
  }
  if (!isMapping(content)) {
    return [];
  }
  const name = content.pfn ?? content.name ?? content.path;
  if (typeof name === "string") {
    return [{ name, kind, size: typeof content.size === "number" ? content.size : undefined }];
  }
  return Object.entries(content).flatMap(([key, value]) => filesIn(value, key));
}
