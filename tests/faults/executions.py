"""Counts how often payloads really ran: each says when it begins and when it ends."""

import socketserver
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

# No program is started for it, and it works from behind every wall of a pilot.
SAY = "exec 3<>/dev/tcp/{host}/{port}; echo {word} $1 >&3; read -t 20 -u 3 _; exec 3>&-"


class Executions:
    """A server that payloads tell `begin N` and `end N`; a context manager.

    `starts` is a file that gets a line for each payload that begins.
    """

    def __init__(self, starts: Path | None = None) -> None:
        self._starts = starts
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self.on_word: Callable[[str, str], None] | None = None
        """Called with each word and the name of its payload, which waits meanwhile."""
        note = self._note

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline().decode()
                if line.endswith("\n"):
                    note(line)
                    self.wfile.write(b"noted\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def _note(self, line: str) -> None:
        word, _, name = line.strip().partition(" ")
        with self._lock:
            self._counts[word, name] += 1
            if word == "begin" and self._starts is not None:
                with self._starts.open("a") as lines:
                    lines.write(f"{name}\n")
        if self.on_word is not None:
            self.on_word(word, name)

    def counts(self, word: str, prefix: str) -> Counter[str]:
        """Return how often each payload whose name has the prefix said the word."""
        with self._lock:
            return Counter(
                {name: n for (said, name), n in self._counts.items() if said == word and name.startswith(prefix)}
            )

    def script(self, seconds: float) -> str:
        """Return what bash runs to say when it begins and when it ends, by the name that is its first argument."""
        host, port = self._server.server_address[:2]
        begin, end = (SAY.format(host=host, port=port, word=word) for word in ("begin", "end"))
        return f"{begin}; sleep {seconds}; {end}; echo $1"

    def jdl(self, prefix: str, *, jobs: int, seconds: float = 0.5, more: str = "") -> str:
        """Return a parametric JDL whose payloads are called `prefix-0`, `prefix-1`, ..., and take some time.

        `more` is written behind it.
        """
        script = self.script(seconds)
        return (
            f'[JobName = "{prefix}-%s"; Executable = "/bin/bash"; Arguments = "-c \'{script}\' bash {prefix}-%s";'
            f' Parameters = {jobs}; ParameterStart = 0; ParameterStep = 1; StdOutput = "std.out"; '
            'OutputSandbox = {"std.out"};' + f"{more}]"
        )

    def __enter__(self) -> "Executions":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
