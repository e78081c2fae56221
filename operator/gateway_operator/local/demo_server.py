"""The demo upstream in a process of its own, for clusters that are tried without an account:

    DEMO_API_KEY=... python -m gateway_operator.local.demo_server

listens on port 8080 of every address, takes that key, and knows the built-in models of the Anthropic API.
"""

import asyncio
import os
import signal
import sys

from gateway_operator.compiler.catalogue import builtin_models
from gateway_operator.local.demo_upstream import DemoUpstream

PROVIDER = "Anthropic"
PORT = 8080


def main() -> int:
    credential = os.environ.get("DEMO_API_KEY", "")
    if not credential:
        sys.stderr.write("demo_server: DEMO_API_KEY is empty: set it to the key that clients are to send\n")
        return 2
    asyncio.run(_serve(credential))
    return 0


async def _serve(credential: str) -> None:
    upstream = DemoUpstream(credential=credential)
    upstream.models = {ids[PROVIDER] for one in builtin_models().values() if PROVIDER in (ids := one.upstream_ids)}
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with upstream.serving(host="0.0.0.0", port=PORT):  # noqa: S104  reached by the gateway's pods
        await ended.wait()


if __name__ == "__main__":
    sys.exit(main())
