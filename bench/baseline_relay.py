"""The baseline: a bare relay of an aiohttp server and an aiohttp client, as one would write it, without any feature.

It forwards the same headers and streams the answer as it comes. It does not authenticate, choose, limit, meter, log
or count anything, and asks the libraries for their fastest settings.
"""

import argparse

import aiohttp
import uvloop
from aiohttp import web

_NOT_FORWARDED = frozenset({
    "connection", "content-length", "host", "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade",
})  # fmt: skip
_SESSION = web.AppKey("session", aiohttp.ClientSession)
_UPSTREAM = web.AppKey("upstream", str)


async def relay(request: web.Request) -> web.StreamResponse:
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED]
    body = await request.read()
    url = request.app[_UPSTREAM] + request.path_qs
    async with request.app[_SESSION].request(request.method, url, headers=headers, data=body) as answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _NOT_FORWARDED:
                response.headers.add(name, value)
        response.content_length = answer.content_length
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


async def _session(app: web.Application):  # type: ignore[no-untyped-def]  # aiohttp calls it
    app[_SESSION] = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
    )
    yield
    await app[_SESSION].close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True, help="host:port")
    parser.add_argument("--upstream", required=True, help="host:port")
    arguments = parser.parse_args()
    host, _, port = arguments.listen.rpartition(":")
    app = web.Application(client_max_size=64 << 20)
    app[_UPSTREAM] = "http://" + arguments.upstream
    app.cleanup_ctx.append(_session)
    app.router.add_post("/v1/messages", relay)
    web.run_app(app, host=host, port=int(port), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
