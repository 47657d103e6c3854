/** Gives a File or a Directory to a workflow: one of this computer, one that is stored, or a text. */

import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useRef } from "react";
import { formatBytes, plural } from "@/kit/formats";
import { kindOf } from "@/kit/forms";
import type { FieldProps, FileFields } from "@/kit/schemaFields";
import { useStore } from "@/kit/store";
import type { Schema } from "@/kit/views";
import { type Chosen, chosenIn, folderOf } from "./choosing";
import { type GivenFile, givenFiles, isGiven, keep, withPrimaryFirst } from "./givenFiles";

type Source = GivenFile["from"];
const SOURCES: Record<Source, string> = { here: "this computer", there: "stored", text: "a text" };

function FileField({
  name,
  schema,
  value,
  label,
  description,
  place,
  problems,
  isNeeded,
  onChange,
}: FieldProps) {
  const isFolder = kindOf(schema) === "folder";
  const given = isGiven(value) ? value : undefined;
  const from = given?.from ?? "here";
  const start = (source: Source): GivenFile | undefined =>
    source === "there"
      ? { from: "there", location: "" }
      : source === "text"
        ? { from: "text", name: `${name}.txt`, contents: "" }
        : undefined;
  const sources = (Object.keys(SOURCES) as Source[]).filter((each) => !isFolder || each !== "text");
  return (
    <fieldset className="frame" data-place={place}>
      <legend>
        {label}
        {isNeeded && schema.default === undefined && <span aria-hidden> *</span>}
      </legend>
      {description && <p className="faint">{description}</p>}
      <div className="head">
        <NativeSelect
          size="xs"
          aria-label={`Where ${label} is`}
          value={from}
          data={sources.map((each) => ({ value: each, label: SOURCES[each] }))}
          onChange={({ target }) => onChange(start(target.value as Source))}
        />
        {from === "here" && (
          <Here {...{ schema, label, isFolder, isNeeded }} given={given} onChange={onChange} />
        )}
      </div>
      {given?.from === "there" && (
        <TextInput
          aria-label={`Location of ${label}`}
          placeholder={`sandbox:/S3/…${isFolder ? "#folder/" : "#file"}`}
          value={given.location}
          onChange={({ target }) => onChange({ from: "there", location: target.value })}
        />
      )}
      {given?.from === "text" && (
        <>
          <TextInput
            label="File name"
            value={given.name}
            onChange={({ target }) => onChange({ ...given, name: target.value })}
          />
          <Textarea
            aria-label={`Text of ${label}`}
            autosize
            minRows={3}
            maxRows={12}
            value={given.contents}
            onChange={({ target }) => onChange({ ...given, contents: target.value })}
          />
        </>
      )}
      {problems[place] && (
        <p className="field-error" role="alert">
          {problems[place]}
        </p>
      )}
    </fieldset>
  );
}

type HereProps = {
  schema: Schema;
  label: string;
  isFolder: boolean;
  isNeeded: boolean;
  given: GivenFile | undefined;
  onChange: (value: unknown) => void;
};

function Here({ schema, label, isFolder, isNeeded, given, onChange }: HereProps) {
  const kept = useStore(givenFiles);
  const one = given?.from === "here" ? kept.get(given.key) : undefined;
  const size = one?.files.reduce((sum, { file }) => sum + file.size, 0) ?? 0;
  const patterns = schema["x-cwl-secondaryFiles"] ?? [];
  return (
    <>
      <Chooser
        text={isFolder ? "Choose a folder" : patterns.length > 0 ? "Choose files" : "Choose a file"}
        of={label}
        isFolder={isFolder}
        isMany={patterns.length > 0}
        onChoose={(files, folder) => {
          const ordered = withPrimaryFirst(schema, files);
          const name = isFolder ? folder : (ordered[0]?.path ?? "");
          onChange(keep({ kind: isFolder ? "folder" : "file", name, files: isFolder ? files : ordered }));
        }}
      />
      {given?.from === "here" && (
        <>
          <span className="chosen-file">
            <span className="mono">
              {isFolder ? `${given.name}/` : (one?.files.map(({ path }) => path).join(", ") ?? given.name)}
            </span>{" "}
            <span className="faint">
              {one &&
                (isFolder ? `${plural(one.files.length, "file")}, ${formatBytes(size)}` : formatBytes(size))}
            </span>
          </span>
          {!isNeeded && (
            <Button
              size="compact-xs"
              variant="subtle"
              aria-label={`Remove ${given.name} from ${label}`}
              onClick={() => onChange(undefined)}
            >
              Remove
            </Button>
          )}
        </>
      )}
      {!given && patterns.length > 0 && (
        <span className="faint">with {patterns.map(({ pattern }) => pattern).join(", ")}</span>
      )}
    </>
  );
}

type ChooserProps = {
  text: string;
  /** What it is chosen for. */
  of: string;
  isFolder?: boolean;
  isMany?: boolean;
  isDisabled?: boolean;
  onChoose: (files: Chosen[], folder: string) => void;
};

/** A button that lets choose files, or a folder with all that is in it. */
export function Chooser({ text, of, isFolder, isMany, isDisabled, onChoose }: ChooserProps) {
  const field = useRef<HTMLInputElement>(null);
  const label = `${text} for ${of}`;
  return (
    <>
      <Button
        size="compact-xs"
        variant="default"
        aria-label={label}
        disabled={isDisabled}
        onClick={() => field.current?.click()}
      >
        {text}
      </Button>
      <input
        ref={field}
        type="file"
        hidden
        data-chooses={label}
        multiple={isMany}
        {...(isFolder && { webkitdirectory: "" })}
        onChange={({ target }) => {
          const files = chosenIn(target.files);
          if (files.length > 0) {
            onChoose(files, folderOf(target.files));
          }
          // The same may be chosen again, after it was removed here.
          target.value = "";
        }}
      />
    </>
  );
}

function Many({ label, onAdd }: { label: string; items: Schema; onAdd: (values: unknown[]) => void }) {
  return (
    <Chooser
      text="Choose files"
      of={label}
      isMany
      onChoose={(files) => onAdd(files.map((file) => keep({ kind: "file", name: file.path, files: [file] })))}
    />
  );
}

export const FILE_FIELDS: FileFields = { Field: FileField, Many };
