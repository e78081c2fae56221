"""Claude Platform on AWS: Anthropic's own API at AWS, with signed requests or an API key, always for one workspace."""

from gateway_config.contract import Upstream
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.credentials.sigv4 import FrozenAWS
from gateway_proxy.providers.aws import AWSUpstream
from gateway_proxy.providers.messages_api import FixedLine, HeaderChoice
from gateway_proxy.upstream.pool import Pool


class ClaudePlatformAWSUpstream(AWSUpstream):
    """One binding of type ClaudePlatformAWS."""

    __slots__ = ()

    choice = HeaderChoice(b"anthropic-workspace-id", b"content-type")
    service = "aws-external-anthropic"

    def __init__(self, upstream: Upstream, pool: Pool, credential: FixedLine | Renewing[FrozenAWS]) -> None:
        super().__init__(upstream, pool, credential, (b"anthropic-workspace-id", upstream.workspace_id.encode()))
