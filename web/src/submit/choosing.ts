/** Files and folders that somebody chooses or drops, each with its path. */

export type Chosen = { path: string; file: File };

const FILES_MAX = 10_000;

/** Return what a field gave: of a folder the files in it, by their paths in it. */
export function chosenIn(files: FileList | null): Chosen[] {
  return together([...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

/** Return what was dropped. Must be called before the event is over: what is dropped is gone then. */
export function droppedIn(data: DataTransfer): Promise<Chosen[]> {
  const items = [...data.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return Promise.all(entries.map((entry) => walk(entry))).then((found) => together(found.flat()));
}

async function walk(entry: FileSystemEntry | File | null): Promise<Chosen[]> {
  if (entry === null) {
    return [];
  }
  if (entry instanceof File) {
    return [{ path: entry.name, file: entry }];
  }
  const path = entry.fullPath.replace(/^\//, "");
  if (isHidden(path)) {
    return [];
  }
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    return [{ path, file }];
  }
  const found: Chosen[] = [];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // It answers with a hundred at a time, and with none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (some.length === 0 || found.length > FILES_MAX) {
      return found;
    }
    for (const each of some) {
      found.push(...(await walk(each)));
    }
  }
}

/** Leave out hidden files, and the name of the folder if it is the only one. */
export function together(chosen: readonly Chosen[]): Chosen[] {
  const shown = chosen
    .map(({ path, file }) => ({ path: path.normalize("NFC"), file }))
    .filter(({ path }) => !isHidden(path))
    .slice(0, FILES_MAX);
  const folders = new Set(
    shown.map(({ path }) => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "")),
  );
  const [only] = folders;
  return folders.size === 1 && only
    ? shown.map(({ path, file }) => ({ path: path.slice(only.length + 1), file }))
    : shown;
}

/** Return the name of the folder that was chosen. */
export function folderOf(files: FileList | null): string {
  const [first] = files ?? [];
  return first?.webkitRelativePath.split("/")[0] ?? "";
}

function isHidden(path: string): boolean {
  return path.split("/").some((part) => part.startsWith("."));
}
