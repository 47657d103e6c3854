"""The client's calls for logging in and out."""

from typing import Any

from weyl.kit.call import Call, segment
from weyl.kit.oauth import CLIENT_ID, GRANT_CODE, GRANT_DEVICE


def installation() -> Call[dict[str, Any]]:
    """Ask which VOs and groups there are."""
    return Call("GET", "/.well-known/dirac-metadata", returns=dict[str, Any], anonymous=True)


def begin_device_login(scope: str) -> Call[dict[str, Any]]:
    """Ask for a code for the user and one for the device."""
    return Call(
        "POST",
        "/api/auth/device",
        returns=dict[str, Any],
        query={"client_id": CLIENT_ID, "scope": scope},
        anonymous=True,
        # A code that nobody uses ends by itself.
        repeatable=True,
    )


def redeem_device_code(device_code: str) -> Call[dict[str, Any]]:
    """Ask for tokens; refused with `authorization_pending` until the user has logged in."""
    form = {"grant_type": GRANT_DEVICE, "device_code": device_code, "client_id": CLIENT_ID}
    return Call("POST", "/api/auth/token", returns=dict[str, Any], form=form, anonymous=True)


def redeem_code(code: str, *, redirect_uri: str, verifier: str) -> Call[dict[str, Any]]:
    """Ask for tokens with the code that a browser has brought back; it is good once."""
    form = {
        "grant_type": GRANT_CODE,
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
        "client_id": CLIENT_ID,
    }
    return Call("POST", "/api/auth/token", returns=dict[str, Any], form=form, anonymous=True)


def userinfo() -> Call[dict[str, Any]]:
    """Ask who the login speaks for."""
    return Call("GET", "/api/auth/userinfo", returns=dict[str, Any])


def refresh_tokens() -> Call[list[dict[str, Any]]]:
    """Ask for the logins that may still be used."""
    return Call("GET", "/api/auth/refresh-tokens", returns=list[dict[str, Any]], query={"living": "true"})


def revoke_login(jti: str) -> Call[str]:
    """End a login by the id of its refresh token."""
    return Call("DELETE", f"/api/auth/refresh-tokens/{segment(jti)}", returns=Any)


def browser_sessions() -> Call[list[dict[str, Any]]]:
    """Ask which browsers are logged in."""
    return Call("GET", "/api/auth/web/sessions", returns=list[dict[str, Any]])


def end_browser_session(session_id: str) -> Call[None]:
    """Log a browser out by the id of its session."""
    return Call("DELETE", f"/api/auth/web/sessions/{segment(session_id)}")


def revoke_refresh_token(token: str) -> Call[str]:
    """End a login by its refresh token."""
    form = {"token": token, "token_type_hint": "refresh_token", "client_id": CLIENT_ID}
    return Call("POST", "/api/auth/revoke", returns=Any, form=form, anonymous=True, repeatable=True)
