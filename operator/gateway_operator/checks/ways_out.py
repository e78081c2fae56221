"""What to do about a call that failed, out of ways_out.yaml, with the binding's own fields and values in it."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from gateway_operator.checks.facts import Facts
from gateway_operator.checks.results import Call

_BRACES: Final = re.compile(r"\{([A-Za-z_.:]+)\}")
_ACTION: Final = re.compile(r"(?:bedrock|aws-external-anthropic|sts):[A-Za-z]+")
_BEDROCK_ACTIONS: Final = {
    "Stream": "bedrock:InvokeModelWithResponseStream",
    "Message": "bedrock:InvokeModel",
    "CountTokens": "bedrock:CountTokens",
}
_CURLY: Final = "\N{RIGHT SINGLE QUOTATION MARK}"


def way_out(facts: Facts, call: Call) -> str:
    """One sentence for whoever runs the gateway."""
    cause = call.status if call.reason in ("Status", "") else call.reason
    message = call.message
    if cause == "Credential":
        message = message.rpartition("): ")[0] or message  # without the proxy's own advice, which names other causes
    text = f"{call.code} {message}".lower().replace(_CURLY, "'")
    for row in rows()["counts" if call.kind == "CountTokens" and call.status else "calls"]:
        if facts.type not in row.get("types", (facts.type,)) or cause not in row.get("causes", (cause,)):
            continue
        if re.search(row.get("pattern", ""), text):
            return _BRACES.sub(lambda found: _value(found[1], facts, call), row["wayOut"])
    raise AssertionError("the last row fits everything")


@cache
def rows() -> Mapping[str, list[dict[str, Any]]]:
    """The table."""
    text = (resources.files(__package__) / "ways_out.yaml").read_text(encoding="utf-8")
    table: Mapping[str, list[dict[str, Any]]] = yaml.load(text, Loader=yaml.CSafeLoader)
    return table


def _value(name: str, facts: Facts, call: Call) -> str:
    match name:
        case "namespace" | "credential" | "where":
            return str(getattr(facts, name))
        case "host":
            return facts.host or facts.where
        case "model":
            return call.model
        case "upstream_model":
            return call.upstream_model or call.model
        case "value:region":
            return str(facts.member.get("region") or "REGION")
        case "mapping":
            return f"spec.models: [{{id: {call.model}, upstreamID: …}}]"
        case "action":
            return _action(facts, call)
    plain = name.removeprefix("value:")
    return str(facts.member.get(plain) or plain) if plain != name else facts.said(name)


def _action(facts: Facts, call: Call) -> str:
    """The right that is missing: the one that AWS names, or the one that the call needs."""
    named = _ACTION.search(call.message)
    if named is not None:
        return named[0]
    if facts.type == "Bedrock":
        return _BEDROCK_ACTIONS[call.kind]
    return "aws-external-anthropic:" + ("CountTokens" if call.kind == "CountTokens" else "CreateInference")
