"""Names of accounts, projects, roles and resources: the operator's business, which no client is told."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from gateway_config.contract import Upstream
from gateway_config.upstream_credentials import AWSCredential, EntraCredential, FederatedCredential, GoogleCredential

WITHHELD: Final = "(withheld)"
_LEAST: Final = 4
"""Characters of a name that is looked for: a shorter one may be any word."""

_PROVIDERS: Final = {
    "Anthropic": "anthropic",
    "Bedrock": "bedrock",
    "ClaudePlatformAWS": "claude platform on aws",
    "VertexAI": "vertex",
    "Foundry": "foundry",
}
_FORMS: Final = (
    r"\barn:aws[a-z-]*:[^\s\"'`<>,;)\]}]+",
    r"\b(?:projects|organizations|folders|billingAccounts|subscriptions|resourceGroups|workspaces|accounts)/[^\s\"'`<>,;:/)\]}]+",
    r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    r"\b[\w-]{1,63}(?:\.[\w-]{1,63}){0,6}\.(?:amazonaws\.(?:com|eu)|api\.aws|azure\.com|azure\.net|googleapis\.com|windows\.net)(?:\.cn)?\b",
    r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
    r"\b(?:wrkspc|org|svac|fdrl)_[A-Za-z0-9]{8,64}\b",
    r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,128}\b",
    # An account's number, which is no part of a longer one.
    r"(?<![\d.])\d{12}(?![\d.])",
)


class Names:
    """The names of one binding, and the forms of everybody's."""

    __slots__ = ("_pattern", "provider", "upstream")

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream.name
        self.provider = _PROVIDERS[upstream.type]
        """What a client may know of it."""
        own = {name for name in _names_in(upstream) if len(name) >= _LEAST}
        longest_first = sorted(own, key=lambda name: (-len(name), name))
        # Whole: a resource may be called by a word that stands inside of others.
        whole = [rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in longest_first]
        self._pattern = re.compile("|".join([*whole, *_FORMS]), re.IGNORECASE)

    def withheld(self, text: str) -> str:
        """The text without any such name."""
        return self._pattern.sub(WITHHELD, text)


def _names_in(upstream: Upstream) -> Iterator[str]:
    yield upstream.project_id
    yield upstream.workspace_id
    host = urlsplit(upstream.base_url).hostname or ""
    yield host
    if upstream.type == "Foundry":
        yield host.partition(".")[0]  # the resource
    for model in upstream.models.values():
        if model.startswith("arn:"):
            yield model
            yield model.rpartition("/")[2]
    match upstream.credential:
        case AWSCredential(role_arn=name) | GoogleCredential(impersonate=name) if name is not None:
            yield name
        case EntraCredential(client=client) if client is not None:
            yield client.tenant_id
            yield client.client_id
        case FederatedCredential(
            organization_id=organization, federation_rule_id=rule, service_account_id=account, workspace_id=workspace
        ):
            yield organization
            yield rule
            yield account
            yield workspace or ""
