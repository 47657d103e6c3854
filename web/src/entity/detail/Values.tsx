/** Named values: files with their sizes and checksums, each of which can be saved; everything else as it is. */

import { Button } from "@mantine/core";
import { IconDownload, IconFile } from "@tabler/icons-react";
import { useState } from "react";
import { formatBytes } from "@/kit/formats";
import { isMapping } from "@/kit/templates";
import { sayFault } from "@/kit/toasts";
import { saveFile } from "./saving";
import type { TabProps } from "./tab";
import { type FileValue, valuesIn } from "./values";

export function Values({ tab, row, content }: TabProps) {
  const [busy, setBusy] = useState<FileValue>();
  const { files, plain } = valuesIn(isMapping(content) ? content : { value: content });
  const save = async (file: FileValue) => {
    setBusy(file);
    try {
      await saveFile(tab, row, file);
    } catch (error) {
      sayFault(error, `Saving ${file.basename}`);
    } finally {
      setBusy(undefined);
    }
  };
  return (
    <>
      <ul className="files">
        {files.map((file, index) => (
          <li key={index}>
            <IconFile size={16} aria-hidden />
            <span>
              <strong>{file.name}</strong> <span className="mono">{file.path}</span>
              {!file.archive && file.location && <span className="mono faint"> {file.location}</span>}
              {file.checksum && <span className="mono faint checksum">{file.checksum}</span>}
            </span>
            <span className="faint number">{file.size !== undefined && formatBytes(file.size)}</span>
            {(file.contents !== undefined || (tab.file && file.archive)) && (
              <Button
                size="compact-xs"
                variant="default"
                aria-label={`Download ${file.path}`}
                leftSection={<IconDownload size={14} />}
                loading={busy === file}
                disabled={busy !== undefined && busy !== file}
                onClick={() => void save(file)}
              >
                Download
              </Button>
            )}
          </li>
        ))}
      </ul>
      {plain.length > 0 && (
        <dl className="fields">
          {plain.map(({ name, text }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="mono">{text}</dd>
            </div>
          ))}
        </dl>
      )}
    </>
  );
}
