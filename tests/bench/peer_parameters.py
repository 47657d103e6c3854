"""A double of OpenSearch, which the peer keeps job parameters in: it takes every update and keeps none.

It stands for OpenSearch because no OpenSearch can be had here. Keeping nothing costs less than OpenSearch does, which
favours the peer.
"""

import sys

import orjson
from aiohttp import web


async def bulk(request: web.Request) -> web.Response:
    """Answer a list of updates, of which each has a line that names the document and one that has the change."""
    actions = [orjson.loads(line)["update"] for line in (await request.read()).splitlines()[::2]]
    items = [{"update": {"_id": action["_id"], "status": 200, "result": "updated"}} for action in actions]
    return web.json_response({"took": 0, "errors": False, "items": items})


async def anything(_: web.Request) -> web.Response:
    """Answer what else is asked."""
    return web.json_response({"acknowledged": True, "result": "updated", "hits": {"hits": []}})


def main() -> None:
    """Serve on the port given."""
    app = web.Application(client_max_size=1 << 26)
    app.add_routes([web.post("/_bulk", bulk), web.route("*", "/{path:.*}", anything)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
