"""What requests cost, who may spend how much, and who is told."""

from typing import Annotated

from pydantic import Field

from gateway_operator.api.v1alpha1.base import Choice, Model, doc
from gateway_operator.api.v1alpha1.lists import map_list, set_list
from gateway_operator.api.v1alpha1.references import SecretKeyRef
from gateway_operator.api.v1alpha1.scalars import Decimal, Duration, ModelName, Word, between


class Price(Model):
    """What one model costs, in US dollars per million tokens."""

    id: Annotated[ModelName, doc("The model.", example="claude-opus-5-5")]
    input_per_m_tok: Annotated[Decimal, doc("Dollars per million input tokens.", example="4")]
    output_per_m_tok: Annotated[Decimal, doc("Dollars per million output tokens.", example="20")]
    cache_read_per_m_tok: Annotated[
        Decimal | None,
        doc("Dollars per million tokens read from the cache. Default: 0.1 times the input price.", example="0.20"),
    ] = None
    cache_write_5m_per_m_tok: Annotated[
        Decimal | None,
        doc(
            "Dollars per million tokens written to the cache for five minutes. Default: 1.25 times the input price.",
            example="5",
        ),
    ] = None
    cache_write_1h_per_m_tok: Annotated[
        Decimal | None,
        doc(
            "Dollars per million tokens written to the cache for an hour. Default: twice the input price.", example="8"
        ),
    ] = None


Pricing = Annotated[list[Price], Field(max_length=128), map_list("id")]


class FailureMode(Choice):
    OPEN = "Open"
    CLOSED = "Closed"


class GroupLimitMode(Choice):
    MIN = "Min"
    MAX = "Max"


class Alerts(Model):
    """Tells a webhook when a cap comes near."""

    thresholds: Annotated[
        list[Annotated[int, Field(ge=1, le=100)]],
        doc(
            "Parts of a cap, in percent, at each of which a message is sent once a period.",
            example=[50, 75, 95],
            min_length=1,
            max_length=10,
        ),
        set_list(),
    ] = [75, 95]
    webhook_url_secret_ref: Annotated[
        SecretKeyRef,
        doc("URL that messages are posted to; it often holds a token.", example={"name": "alerts", "key": "url"}),
    ]
    signing_secret_ref: Annotated[
        SecretKeyRef | None,
        doc(
            "Key that each message is signed with (HMAC-SHA256). Default: not signed.",
            example={"name": "alerts", "key": "hmac"},
        ),
    ] = None


class Spend(Model):
    """How spend is counted and capped. The caps themselves are in policies."""

    failure_mode: Annotated[
        FailureMode,
        doc(
            "When the store cannot be read. Open: requests go on and are counted later. Closed: they are refused.",
            example="Closed",
        ),
    ] = FailureMode.OPEN
    group_limit_mode: Annotated[
        GroupLimitMode,
        doc("When several groups give a caller a cap. Min: the smallest counts. Max: the largest.", example="Max"),
    ] = GroupLimitMode.MIN
    blocked_message: Annotated[
        str,
        doc(
            "Sentence put behind the message that a cap is reached. Default: none.",
            example="Ask #claude-help for more.",
            max_length=500,
        ),
    ] = ""
    retention: Annotated[
        Duration,
        between("768h", "99999h"),
        doc("How long spend entries are kept; at least the 32 days that a month needs.", example="9600h"),
    ] = Duration("9600h")
    multiplier: Annotated[Decimal, doc("Every price is multiplied by it.", example="0.85")] = "1.0"
    pricing: Annotated[
        Pricing, doc("Prices of models for every binding; a binding's own win. Default: list prices.")
    ] = []
    admin_groups: Annotated[
        list[Word],
        doc(
            "Groups whose members may use the spend API; of OIDC sign-ins only. Default: none.",
            example=["finance"],
            max_length=64,
        ),
        set_list(),
    ] = []
    alerts: Annotated[Alerts | None, doc("Messages before a cap is reached. Default: none.")] = None
    billing_group_tag: Annotated[
        str | None,
        doc(
            "Request tag that names the group to bill. Default: none.",
            example="cost-center",
            min_length=1,
            max_length=128,
        ),
    ] = None
