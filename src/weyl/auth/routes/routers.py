"""All routers of the auth room."""

from weyl.auth.routes import authorize, device, legacy, refresh_tokens, token, web, well_known

ROUTERS = [
    device.router,
    authorize.router,
    token.router,
    refresh_tokens.router,
    web.router,
    well_known.router,
    legacy.router,
]
