"""Signatures of requests to S3, in headers or in the URL; made here, without asking anybody."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from weyl.kit.clock import utcnow

_PAYLOAD = "weyl-payload"


def object_path(bucket: str, key: str) -> str:
    """Return the path of an object, encoded the way that signatures require."""
    return f"/{bucket}/{quote(key, safe='/~')}"


class Dated(dict[str, Any]):
    """The context of a signature, in which its time is ours: botocore writes the machine's there."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, f"{utcnow():%Y%m%dT%H%M%SZ}" if name == "timestamp" else value)


class _InHeaders(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    def payload(self, request: AWSRequest) -> str:
        return str(request.context.get(_PAYLOAD) or super().payload(request))


class Signer:
    """Signs with one key for one region."""

    def __init__(self, access_key: str, secret_key: str, *, region: str) -> None:
        self.credentials = Credentials(access_key, secret_key)
        self.region = region
        self._in_headers = _InHeaders(self.credentials, "s3", region)

    def signed(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", *, sha256: str | None = None
    ) -> tuple[URL, dict[str, str]]:
        """Return URL and headers of a request to be sent now; `sha256` is that of a body that will be streamed."""
        request = AWSRequest(method, url, headers=dict(headers), data=body)
        request.context = Dated({_PAYLOAD: sha256} if sha256 else {})
        self._in_headers.add_auth(request)
        return URL(request.url, encoded=True), dict(request.headers)

    def presigned(self, method: str, url: str, headers: Mapping[str, str] | None = None, *, expires_s: int) -> str:
        """Return a URL with which anybody may send this request for a while, with exactly these headers."""
        request = AWSRequest(method, url, headers=dict(headers or {}))
        request.context = Dated()
        S3SigV4QueryAuth(self.credentials, "s3", self.region, expires=expires_s).add_auth(request)
        return str(request.url)
