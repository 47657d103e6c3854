"""All routers of the room; the one with a name in its path comes last."""

from weyl.storage.routes import access, elements, issuer

ROUTERS = [issuer.router, access.router, elements.router]
