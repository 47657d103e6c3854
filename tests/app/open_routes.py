"""Routes that are open to everybody, and those that nodes call."""

# Anybody may call these, or they answer about the caller only.
OPEN = {
    "POST /api/auth/device",
    "GET /api/auth/device",
    "POST /api/auth/device/answer",
    "GET /api/auth/device/complete",
    "GET /api/auth/device/complete/finished",
    "GET /api/auth/authorize",
    "GET /api/auth/authorize/complete",
    "GET /api/auth/web/login",
    "GET /api/auth/web/complete",
    "POST /api/auth/web/logout",
    "POST /api/auth/token",
    "POST /api/auth/revoke",
    "GET /.well-known/openid-configuration",
    "GET /.well-known/jwks.json",
    "GET /.well-known/dirac-metadata",
    "GET /.well-known/security.txt",
    "GET /api/storage/issuer/{vo}/.well-known/openid-configuration",
    "GET /api/storage/issuer/{vo}/jwks.json",
    "POST /api/pilots/token",
    "POST /api/pilots/token/refresh",
}

# Pilots match and write their own logs; both read the configuration and what may be used.
MEANT_FOR_NODES = {
    "GET /api/config/",
    "GET /api/rss/storage",
    "GET /api/rss/compute",
    "GET /api/rss/site",
    "GET /api/rss/fts",
    "POST /api/matcher/match",
    "POST /api/pilots/logs",
    "POST /api/jobs/sandbox",
    "GET /api/workflows/hints-schema",
}
