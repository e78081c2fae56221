"""Google Cloud Vertex AI: the Messages API as the raw prediction of a publisher's model, with a token of Google's."""

from functools import lru_cache
from typing import Final
from urllib.parse import quote

import msgspec

from gateway_config.contract import Upstream
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.memo import Memo
from gateway_proxy.messages import tags
from gateway_proxy.messages.betas import BetaValues
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.cloud_messages_api import PROFILE_MEMBER, CloudMessagesAPIUpstream, profile
from gateway_proxy.upstream.pool import Pool

VERSION_MEMBER: Final = "anthropic_version"
VERSION: Final = b'"vertex-2023-10-16"'
"""What the model's address wants in the body, as Google's and Anthropic's documentation have it; a client may name a
later one."""

_TAGS_BETA: Final = tags.BETA.encode()
_VERSION_ADDED: Final = ((VERSION_MEMBER, VERSION),)
_COUNTER: Final = b"count-tokens:rawPredict"


class VertexAIUpstream(CloudMessagesAPIUpstream):
    """One binding of type VertexAI. Its base URL ends with the version of Google's API, `/v1`."""

    __slots__ = ("_publisher",)

    def __init__(self, upstream: Upstream, pool: Pool, token: Renewing[bytes]) -> None:
        super().__init__(upstream, pool, token)
        project, location = (quote(name, safe=":") for name in (upstream.project_id, upstream.region))
        self._publisher = f"/projects/{project}/locations/{location}/publishers/anthropic/models/".encode()

    def prefix(self, call: Call, model: str) -> bytes:
        return self.prefix_of(self._publisher + (_COUNTER if call.counts else _method(model, stream=call.stream)))

    def body(self, call: Call, model: str) -> bytes:
        members = call.members
        changes: dict[str, bytes | None] = {
            "model": msgspec.json.encode(model) if call.counts else None,
            "tags": None,
        }
        if PROFILE_MEMBER in members and profile(members) is not None:
            changes[PROFILE_MEMBER] = None
        return members.edited(changes, () if VERSION_MEMBER in members else _VERSION_ADDED)

    def betas(self, call: Call) -> BetaValues:
        """In one header."""
        if not call.betas:
            return ()
        joined = _joined[b",".join(call.betas)]
        return (joined,) if joined else ()


@lru_cache(maxsize=256)
def _method(model: str, *, stream: bool) -> bytes:
    """The last part of the path. The `@` before a model's date stands as it is."""
    return f"{quote(model, safe='@')}:{'streamRawPredict' if stream else 'rawPredict'}".encode()


def _cleaned(listed: bytes) -> bytes:
    """The names as one header has them, without the one that is the gateway's."""
    names = [name.strip() for name in listed.split(b",")]
    return b",".join([name for name in names if name and name != _TAGS_BETA])


_joined: Final = Memo(_cleaned, longest=2048)
