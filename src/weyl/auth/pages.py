"""The few pages that a browser sees during a device login: plain HTML that needs nothing from elsewhere."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from html import escape

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1.125rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: min(15vh, 4rem) auto 2rem;
  padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
label { display: block; font-weight: 600; margin-bottom: .375rem; }
input { font: 1.5rem/1.5 ui-monospace, monospace; letter-spacing: .15em; text-transform: uppercase; width: 100%;
  box-sizing: border-box; padding: .375rem .75rem; border: 2px solid currentcolor; border-radius: .375rem; }
button { font: inherit; font-weight: 600; margin-top: 1rem; padding: .5rem 1.25rem; border: 0; border-radius: .375rem;
  background: #14532d; color: #fff; cursor: pointer; }
button.other { margin-left: .5rem; padding: .375rem 1.125rem; border: 2px solid currentcolor; background: none;
  color: inherit; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
.code { font: 1.5rem/1.5 ui-monospace, monospace; letter-spacing: .15em; }
:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px; }
"""

# No `form-action`: browsers apply it to where a form is redirected to, and ours leads to the identity provider.
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def enter_code_page(action: str) -> str:
    """Ask for the code that the device shows."""
    return _page(
        "Connect a device",
        f'<form method="get" action="{escape(action)}">\n'
        '<label for="user_code">Code shown on your device</label>\n'
        '<input id="user_code" name="user_code" required minlength="8" '
        'maxlength="16" autocomplete="off" '
        'autocapitalize="characters" spellcheck="false" aria-describedby="hint">\n'
        '<p id="hint">Eight letters. The next page says what the device asks for.</p>\n'
        '<button type="submit">Continue</button>\n</form>',
    )


@dataclass(frozen=True)
class Question:
    """What the page shows of a device before its user confirms the login, and the token that the answer returns."""

    vo: str
    group: str
    properties: frozenset[str]
    """All that it gets: those of the group and those asked for beyond them."""
    client: str
    program: str | None
    address: str | None
    started_at: datetime
    user_code: str
    token: str


def question_page(action: str, question: Question, *, now: datetime) -> str:
    """Ask whether the device that shows this code may log in, with all that is known of it."""
    facts = _facts(question, now)
    rows = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    code = question.user_code
    return _page(
        "Let this device act in your name?",
        "<p>A program is waiting for you to log in. If you continue, it gets these permissions:</p>\n"
        f"<dl>\n{rows}\n</dl>\n"
        "<p>Check that your device shows this code: "
        f'<strong class="code">{escape(code[:4])}-{escape(code[4:])}</strong></p>\n'
        '<p id="hint">Deny if you did not start this login yourself a moment ago, '
        "for example if somebody sent you the link.</p>\n"
        f'<form method="post" action="{escape(action)}">\n'
        f'<input type="hidden" name="token" value="{escape(question.token)}">\n'
        '<button type="submit" name="answer" value="continue" aria-describedby="hint">Continue to log in</button>\n'
        '<button type="submit" name="answer" value="deny" class="other">Deny</button>\n</form>',
    )


def _facts(question: Question, now: datetime) -> dict[str, str]:
    minutes = int((now - question.started_at).total_seconds() // 60)
    ago = f"{minutes} min ago" if minutes > 0 else "less than a minute ago"
    return {
        "VO": question.vo,
        "Group": question.group,
        "Properties": ", ".join(sorted(question.properties)) or "none",
        "Client": question.client,
        "Program": question.program or "unknown",
        "Started": f"{ago} ({question.started_at:%Y-%m-%d %H:%M:%S} UTC)",
        "From address": question.address or "unknown",
    }


def denied_page() -> str:
    """Say that the device was not logged in."""
    return _page("Login denied", '<p role="status">The device was not logged in. You can close this window.</p>')


def finished_page() -> str:
    """Say that the browser has done its part."""
    return _page("Login finished", '<p role="status">Please close the window and go back to your device.</p>')


def error_page(detail: str) -> str:
    """Say what went wrong and what to do."""
    return _page("The login did not work", f'<p role="alert">{escape(detail)}</p>')
