"""All routers of the room, those with fixed paths before the one with a name in its path."""

from weyl.storage.routes import elements, issuer

ROUTERS = [issuer.router, elements.router]
