"""The forms of the development identity provider: plain HTML, so that scripts can fill them in too."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1.0625rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 10vh auto 0; padding: 0 1.25rem; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .375rem .625rem; }
button { font: inherit; margin: 1.25rem .5rem 0 0; padding: .375rem 1.25rem; }
table { border-collapse: collapse; margin-top: 2rem; } th, td { text-align: left; padding: .125rem 1.5rem .125rem 0; }
"""

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def login(action: str, users: Iterable[tuple[str, str, str]], *, fault: str | None = None) -> str:
    """Ask for login and password, and list who there is."""
    rows = "\n".join(
        f"<tr><td>{escape(login_name)}</td><td>{escape(name)}</td><td>{escape(groups)}</td></tr>"
        for login_name, name, groups in users
    )
    alert = f'<p role="alert">{escape(fault)}</p>\n' if fault else ""
    return _page(
        "Development login",
        f'{alert}<form method="post" action="{escape(action)}">\n'
        '<label for="login">User</label>\n'
        '<input id="login" name="login" required autocomplete="username">\n'
        '<label for="password">Password</label>\n'
        '<input id="password" name="password" type="password" required autocomplete="current-password">\n'
        '<button type="submit">Log in</button>\n</form>\n'
        "<p>For development only. The passwords were printed where this installation was started.</p>\n"
        '<table>\n<thead>\n<tr><th scope="col">User</th><th scope="col">Name</th>'
        '<th scope="col">Groups</th></tr>\n</thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>",
    )


def consent(action: str, name: str, client_id: str) -> str:
    """Ask whether the application may know who logged in."""
    return _page(
        "Consent",
        f"<p>{escape(name)}, may <strong>{escape(client_id)}</strong> know who you are?</p>\n"
        f'<form method="post" action="{escape(action)}">\n'
        '<button type="submit" name="decision" value="allow">Allow</button>\n'
        '<button type="submit" name="decision" value="deny">Deny</button>\n</form>',
    )


def error(detail: str) -> str:
    """Say what was wrong with the request that brought the browser here."""
    return _page("This login cannot start", f'<p role="alert">{escape(detail)}</p>')
