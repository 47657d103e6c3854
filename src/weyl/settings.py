"""Every environment variable of the server and the worker: one documented field each, prefix `WEYL_`."""

from pathlib import Path
from typing import Annotated

from packaging.version import Version
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from weyl.kit.bounds import SUBMISSION_BYTES_MAX
from weyl.kit.services import Key


def _version(text: str) -> str:
    """Refuse what is not a version."""
    Version(text)
    return text


class Settings(BaseSettings):
    """What an installation decides outside its configuration repository: addresses, secrets and limits."""

    model_config = SettingsConfigDict(env_prefix="WEYL_", extra="ignore", use_attribute_docstrings=True)

    database_url: str = Field(default="postgresql://localhost/weyl", repr=False)
    """PostgreSQL 15 or newer: `postgresql://user:password@host:port/database`."""
    database_pool_size: int = Field(default=8, ge=1, le=200)
    """Connections that one process keeps open; as many again may be opened at peaks."""
    database_statement_timeout_s: float = Field(default=30, gt=0)
    """Longest run of one SQL statement of a request, in seconds."""

    search_timeout_s: float = Field(default=10, gt=0)
    """Longest run of one search or summary, in seconds; then it is cancelled and refused."""
    search_scans_max: int = Field(default=4, ge=1, le=200)
    """Searches that no index serves, such as those with patterns, that one process runs at a time; one user gets half
    of these places at most."""

    public_url: str = "http://localhost:8000"
    """The URL under which clients reach this installation; links and redirects are built from it, never from Host."""
    token_issuer: str | None = None
    """The `iss` of our tokens; the public URL with a slash at its end if not set."""
    config_url: str = "git+file:///etc/weyl/config"
    """The git repository of the configuration: `git+file://PATH` or `git+https://…`, optionally `?revision=BRANCH`."""
    config_check_every_s: float = Field(default=5, gt=0)
    """How often a process looks for a new revision of the configuration, in seconds."""

    keys: SecretStr = SecretStr("/etc/weyl/keys.json")
    """The signing keys: the path of a JWKS file (made by `weyl internal generate-keys`), or its JSON text."""
    state_key: SecretStr = SecretStr("")
    """Fernet key that encrypts the `state` we send through the identity provider; the same for all servers."""
    access_token_minutes: int = Field(default=20, ge=6)
    """Life of an access token; clients refresh when less than five minutes are left."""
    refresh_token_minutes: int = Field(default=7 * 24 * 60, ge=6, le=365 * 24 * 60)
    """Life of a login on the command line, 7 days: each refresh trades the refresh token for a new one with the expiry
    of the first, so using a login does not extend it."""
    device_code_s: int = Field(default=600, ge=60)
    """Life of a device code, in seconds."""
    authorization_code_s: int = Field(default=300, ge=30)
    """Life of an authorization code, in seconds."""
    session_idle_minutes: int = Field(default=12 * 60, ge=5, le=31 * 24 * 60)
    """Minutes after which the login of a browser that sends no requests ends, 12 hours."""
    session_hours: float = Field(default=7 * 24, gt=0, le=24 * 31)
    """Hours after which the login of a browser ends in any case, 7 days."""
    insecure_cookies: bool = False
    """Let browsers log in over plain HTTP where they refuse cookies marked `Secure` on this machine. Refused unless the
    server listens, and is reached, on a loopback address."""
    allowed_redirects: list[str] = []
    """Redirect URIs that the code flow accepts, compared as strings; JSON list."""
    legacy_exchange_hash: SecretStr | None = None
    """SHA-256, in hexadecimal, of the secret with which a DIRAC server exchanges proxies for tokens; off if not set."""
    logins_per_minute: int = Field(default=120, ge=1)
    """Device codes, logins and pilot secrets that one client address may try in a minute, before it is told to wait."""
    trusted_proxies: list[str] = []
    """Addresses of reverse proxies whose `X-Forwarded-For` is believed; JSON list."""

    s3_endpoint: str = "http://localhost:9000"
    """The S3 endpoint as this process reaches it."""
    s3_public_endpoint: str | None = None
    """The S3 endpoint as clients and worker nodes reach it, if it differs."""
    s3_region: str = "us-east-1"
    """The S3 region that requests are signed for."""
    s3_bucket: str = "sandboxes"
    """The bucket of the sandboxes."""
    s3_access_key: SecretStr = SecretStr("")
    """Access key of the object store."""
    s3_secret_key: SecretStr = SecretStr("")
    """Secret key of the object store."""
    sandbox_se: str = Field(default="SandboxSE", pattern=r"^[A-Za-z]+$")
    """Name of the sandbox store in PFNs (`SB:<name>|…`)."""
    sandbox_bytes_max: int = Field(default=100 * 1024 * 1024, ge=1)
    """Largest sandbox that may be uploaded, in bytes."""
    sandbox_unassigned_days: float = Field(default=15, gt=0)
    """Days after which a sandbox that no job refers to is removed."""

    job_history_months: int = Field(default=24, ge=1)
    """Months for which the records of what jobs went through are kept, whole months of the calendar."""
    job_heartbeat_months: int = Field(default=3, ge=1)
    """Months for which the figures that running jobs report are kept, whole months of the calendar."""
    accounting_months: int = Field(default=60, ge=1)
    """Months for which a record of each job and pilot is kept; their sums by the hour are kept for good."""
    jobs_per_submission_max: int = Field(default=100_000, ge=1, le=100_000)
    """Jobs that one submission may create; at most 100,000."""
    body_bytes_max: int = Field(default=SUBMISSION_BYTES_MAX, ge=1024, le=SUBMISSION_BYTES_MAX)
    """Largest request body, in bytes. Most routes take 1 MB (`x-body-bytes-max` in `/api/openapi.json`); without a
    valid token, 64 kB."""
    client_version_min: Annotated[str, AfterValidator(_version)] = "0.0.1a1"
    """Oldest version of the DIRAC client that is served."""
    cors_origins: list[str] = []
    """Origins of other web pages that may call the API with a token, never with the cookie of a browser's login; JSON
    list, empty means the same origin only."""

    events_every_s: float = Field(default=5, gt=0)
    """How often open web pages are told what has changed, in seconds; nothing is read while no page is open."""
    event_streams_max: int = Field(default=1_000, ge=0)
    """Web pages that one process tells of changes as they happen; further ones ask now and then."""

    pilot_peppers: SecretStr = SecretStr("")
    """Keys that pilot secrets are hashed with, newest first: `id:base64url,id:base64url`."""
    pilot_secret_hours: float = Field(default=72, gt=0, le=72)
    """Hours within which a pilot must use its secret."""
    pilot_archive: Path | None = None
    """A pilot archive to start instead of the one built from this installation."""
    pilot_directory: Path | None = None
    """Where computing elements keep the directories of pilots; it must belong to us alone. If not set, one of our own
    below the directory for temporary files."""
    engine_directory: Path | None = None
    """A directory with archives of the CWL engine for other Pythons than this installation's own, `*.tar.gz` as
    `weyl internal pack-engine` makes them. Servers and workers read it."""
    credentials_directory: Path | None = None
    """Where the credentials for computing and storage elements are: a directory for each name that `Credentials` may
    have."""
    storage_keys: Path = Path("/etc/weyl/storage-keys.json")
    """The file with the keys that sign tokens for storage elements, made by `weyl internal generate-storage-keys`; only
    needed where the `Auth` of a storage element has `Kind: token` and no `Issuer`."""

    security_contact: str = "mailto:security@example.org"
    """Contact in `/.well-known/security.txt`."""
    security_expires: str = "2027-12-31T23:59:59Z"
    """Expiry in `/.well-known/security.txt` (RFC 9116)."""
    log_format: str = Field(default="json", pattern="^(json|console)$")
    """`json` for machines, `console` for people."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Least severe level that is logged."""
    log_requests: bool = False
    """Log a line for every request; without it only those that fail are logged, and the proxy has the rest."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of `/metrics` for Prometheus, apart from the API's; off if not set. `--metrics-port` goes before it."""
    metrics_host: str = "127.0.0.1"
    """Address of `/metrics`; whoever reaches it may read it."""
    otlp_traces_url: str | None = None
    """Where traces go by OTLP over HTTP, such as `http://collector:4318/v1/traces`; needs the extra `telemetry`."""
    otlp_metrics_url: str | None = None
    """Where metrics go by OTLP over HTTP, such as `http://collector:4318/v1/metrics`; needs the extra `telemetry`."""
    otlp_headers: dict[str, SecretStr] = {}
    """Headers for the collector, such as an authorization; JSON object."""
    otlp_metrics_every_s: float = Field(default=60, gt=0)
    """Seconds between two reports of metrics."""
    trace_sample_ratio: float = Field(default=0.01, ge=0, le=1)
    """Share of requests and tasks that are traced; those that fail are traced always."""
    worker_concurrency: int = Field(default=20, ge=1, le=1000)
    """Tasks that one worker runs at a time."""

    @property
    def issuer(self) -> str:
        """Return the `iss` of our tokens."""
        return self.token_issuer or self.public_url.rstrip("/") + "/"


SETTINGS: Key[Settings] = Key("the settings")
