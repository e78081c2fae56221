"""A watch that is refused with 410, told as kopf takes it: as an event of a watch, after which it lists anew.

As the very answer, a 410 ends kopf, and with it this process.
"""

import asyncio
from http import HTTPStatus
from typing import Final

import aiohttp
import orjson
from aiohttp.base_protocol import BaseProtocol

PAUSE_SECONDS: Final = 1.0
"""Before it is told: a server that says so again and again must not be asked for its lists again and again."""


async def told_as_events(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware of a client session."""
    response = await handler(request)
    if response.status != HTTPStatus.GONE or request.url.query.get("watch") != "true":
        return response
    await response.read()
    await asyncio.sleep(PAUSE_SECONDS)
    event = {"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410}}
    loop = asyncio.get_running_loop()
    response.content = aiohttp.StreamReader(BaseProtocol(loop), limit=2**16, loop=loop)
    response.content.feed_data(orjson.dumps(event) + b"\n")
    response.content.feed_eof()
    response.status = HTTPStatus.OK
    return response
