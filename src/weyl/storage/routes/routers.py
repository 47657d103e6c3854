"""All routers of the room; the one with a name in its path comes last."""

from weyl.storage.routes import access, check, elements, issuer, uploads

ROUTERS = [uploads.router, check.router, issuer.router, access.router, elements.router]
