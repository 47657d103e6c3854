"""Trials of the endpoints: who is let in, and who is not."""

from typing import Any

from weyl.certify.trials import Bench, Trial, TrialFailed
from weyl.client.errors import ClientError, NotLoggedIn, Refused
from weyl.jobs.calls import lists
from weyl.kit.call import Call
from weyl.kit.search import SearchParams

DISCOVERY: Call[dict[str, Any]] = Call("GET", "/.well-known/openid-configuration", dict[str, Any], anonymous=True)
RELEASE: Call[dict[str, Any]] = Call("GET", "/api/health/release", dict[str, Any], anonymous=True)
USER: Call[dict[str, Any]] = Call("GET", "/api/auth/userinfo", dict[str, Any])
API: Call[dict[str, Any]] = Call("GET", "/api/openapi.json", dict[str, Any], anonymous=True)
NEEDED = ("/api/auth/token", "/api/jobs/jdl", "/api/jobs/search", "/api/jobs/sandbox")
LET_IN = "Do not open the installation to users: its server or a proxy before it answers without a login."


def login(bench: Bench) -> str:
    """Try the login, and say who certifies which release."""
    release = bench.session.client.send(RELEASE).get("release", "of an unknown release")
    user = bench.session.client.send(USER)
    who = f"{user.get('preferred_username')} ({user.get('vo')}/{user.get('dirac_group')})"
    if "NormalUser" not in (user.get("properties") or ()):
        raise TrialFailed(f"{who} may not submit jobs", "Log in with a group that may: weyl login --group GROUP")
    return f"weyl {release}, tried by {who}"


def contract(bench: Bench) -> str:
    """Try whether clients find their way: the documents that they begin with."""
    issuer = str(bench.session.client.send(DISCOVERY).get("issuer", ""))
    if issuer.rstrip("/") != bench.session.client.url.rstrip("/"):
        advice = "Set WEYL_PUBLIC_URL to the address that users have."
        raise TrialFailed(f"the server calls itself {issuer or 'nothing'}", advice)
    paths = bench.session.client.send(API).get("paths", {})
    missing = [path for path in NEEDED if path not in paths]
    if missing:
        raise TrialFailed(f"{missing[0]} is not served", "Is another program at this address?")
    return f"{len(paths)} routes, issuer {issuer}"


def strangers(bench: Bench) -> str:
    """Try whether somebody without a token, or with a forged one, is refused."""
    asked = lists.search(SearchParams(parameters=["JobID"]), per_page=1)
    for who, headers in (("nobody", {}), ("a forged token", {"Authorization": f"Bearer {_forged(bench)}"})):
        call: Call[Any] = Call(
            asked.method, asked.path, asked.returns, body=asked.body, headers=headers, anonymous=True
        )
        try:
            bench.session.client.send(call)
        except (NotLoggedIn, Refused) as refusal:
            if refusal.status != 401:
                raise TrialFailed(f"{who} is refused with {refusal.status}, not 401", LET_IN) from refusal
        except ClientError as error:
            raise TrialFailed(f"{who}: {error.message}", LET_IN) from error
        else:
            raise TrialFailed(f"{who} may search jobs", LET_IN)
    return "nobody, and a forged token, are refused with 401"


def _forged(bench: Bench) -> str:
    """Return our token with another signature."""
    head, _, signature = bench.session.client.token().rpartition(".")
    return f"{head}.{signature[::-1]}"


TRIALS = (Trial("login", login), Trial("contract", contract), Trial("strangers", strangers))
