"""Claude Platform on AWS: Anthropic's own API at AWS, with signed requests or an API key, always for one workspace."""

from gateway_config.contract import Upstream
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.credentials.sigv4 import FrozenAWS
from gateway_proxy.providers.aws import WORKSPACE, AWSUpstream
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.messages_api import FixedLine, HeaderChoice
from gateway_proxy.upstream.pool import Pool


class ClaudePlatformAWSUpstream(AWSUpstream):
    """One binding of type ClaudePlatformAWS."""

    __slots__ = ("_workspace",)

    choice = HeaderChoice(b"anthropic-workspace-id", b"content-type")
    service = "aws-external-anthropic"

    def __init__(self, upstream: Upstream, pool: Pool, credential: FixedLine | Renewing[FrozenAWS]) -> None:
        super().__init__(upstream, pool, credential)
        self._workspace = WORKSPACE + upstream.workspace_id.encode()

    def lines(self, call: Call) -> list[bytes]:
        lines = super().lines(call)
        lines.append(self._workspace)
        return lines
