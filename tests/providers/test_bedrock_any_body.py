"""Any body at all: what Bedrock gets says the same, but for the members that belong elsewhere."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.messages.body import scan
from gateway_proxy.providers import bedrock_body

NAMES = st.sampled_from(
    ["model", "stream", "tags", "anthropic_version", "anthropic_beta", "user_profile_id", "max_tokens", "tools"]
) | st.text(max_size=6)
BETAS = st.lists(st.sampled_from(["a", " b ", "", "request-tags-2026-08-21", "c"]), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | BETAS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
BLANKS = st.sampled_from(["", " ", "\n\t", "  "])


@st.composite
def bodies(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """An object, and one of the ways to write it."""
    members = draw(st.dictionaries(NAMES, VALUES, max_size=8))
    blank = draw(BLANKS)
    ascii_only = draw(st.booleans())
    pairs = [
        f"{blank}{json.dumps(name, ensure_ascii=ascii_only)}{blank}:{blank}"
        f"{json.dumps(value, ensure_ascii=ascii_only, separators=draw(st.sampled_from([(',', ':'), (', ', ' : ')])))}"
        for name, value in members.items()
    ]
    return members, (blank + "{" + ",".join(pairs) + blank + "}" + blank).encode("utf-8", "surrogatepass")


def betas_of(members: dict[str, Any], named: list[str]) -> Any:
    """What `anthropic_beta` must be; None for a body without it."""
    own = members.get("anthropic_beta", [])
    if not isinstance(own, list) or not all(isinstance(name, str) for name in own):
        return own
    wanted = dict.fromkeys(name.strip() for name in [*own, *",".join(named).split(",")])
    return [name for name in wanted if name and name != "request-tags-2026-08-21"] or None


def expected(members: dict[str, Any], named: list[str]) -> dict[str, Any]:
    sent = {name: value for name, value in members.items() if name not in ("model", "stream", "tags")}
    profile = sent.get("user_profile_id")
    if isinstance(profile, str) and profile and profile.isascii() and profile.isprintable() and " " not in profile:
        del sent["user_profile_id"]
    sent.setdefault("anthropic_version", "bedrock-2023-05-31")
    betas = betas_of(members, named)
    sent.pop("anthropic_beta", None)
    return sent if betas is None and "anthropic_beta" not in kept_as_is(members) else sent | {"anthropic_beta": betas}


def kept_as_is(members: dict[str, Any]) -> dict[str, Any]:
    own = members.get("anthropic_beta", [])
    usual = isinstance(own, list) and all(isinstance(name, str) for name in own)
    return {} if usual else {"anthropic_beta": own}


@given(bodies(), BETAS)
def test_what_is_invoked_says_the_same(body: tuple[dict[str, Any], bytes], named: list[str]) -> None:
    members, written = body
    sent = bedrock_body.invoked(scan(written), tuple(name.encode() for name in named))
    assert json.loads(sent) == expected(members, named)
    scan(sent)
