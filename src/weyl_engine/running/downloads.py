"""Files that inputs name by http or https. cwltool takes the page of an error for the file, and waits without end."""

import threading
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit

import requests
from cwltool.errors import WorkflowException
from cwltool.pathmapper import PathMapper

# For a connection, and for the next bytes of an answer.
TIMEOUT_S = 60
PIECE_BYTES = 1 << 20


class Downloads:
    """Fetches each file once, whichever steps read it."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}
        self._lock = threading.Lock()
        self.path_mapper = partial(_Mapper, self)
        """What cwltool's runtime context is given to find the files of its tools with."""

    def fetched(self, url: str) -> Path:
        """Return where the file lies now. Raises WorkflowException if it did not come, or not all of it."""
        with self._lock:
            if url not in self._paths:
                self._paths[url] = _fetched(url)
            return self._paths[url]


class _Mapper(PathMapper):
    """Maps files of the web by where they lie on the node."""

    def __init__(self, downloads: Downloads, *arguments: Any, **options: Any) -> None:
        # The constructor above maps at once.
        self._downloads = downloads
        super().__init__(*arguments, **options)

    def visit(self, obj: Any, stagedir: str, basedir: str, copy: bool = False, staged: bool = False) -> None:
        location = obj["location"]
        if obj["class"] != "File" or location in self or urlsplit(location).scheme not in ("http", "https"):
            super().visit(obj, stagedir, basedir, copy, staged)
            return
        here = self._downloads.fetched(location).as_uri()
        fetched: Any = {**obj, "location": here}
        super().visit(fetched, stagedir, basedir, copy, staged)
        self._pathmap[location] = self._pathmap.pop(here)


def _fetched(url: str) -> Path:
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT_S) as answer:
            if not answer.ok:
                raise WorkflowException(f"Cannot fetch {url}: {answer.status_code} {answer.reason}")
            with NamedTemporaryFile(delete=False) as file:
                for piece in answer.iter_content(PIECE_BYTES):
                    file.write(piece)
    except requests.RequestException as error:
        raise WorkflowException(f"Cannot fetch {url}: {error}") from error
    return Path(file.name)
