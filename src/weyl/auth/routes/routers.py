"""All routers of the auth room, for the application to include."""

from weyl.auth.routes import authorize, device, legacy, refresh_tokens, token, well_known

ROUTERS = [
    device.router,
    authorize.router,
    token.router,
    refresh_tokens.router,
    well_known.router,
    legacy.router,
]
