"""What Anthropic's models in any other company's cloud hold against a request in Anthropic's own format."""

import json
import re
from typing import Any

from tests.standins.requests_seen import Received

FORWARDED = re.compile(
    r"^(host|content-length|content-type|accept|accept-encoding|user-agent|x-stainless-[a-z0-9-]+|x-app|authorization"
    r"|x-api-key|anthropic-(?!workspace-id$)[a-z0-9-]+)$"
)
"""The only names that a gateway may send there: a workspace is Anthropic's own matter."""
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def version_problems(request: Received) -> list[str]:
    sent = request.all("anthropic-version")
    return [] if len(sent) == 1 and VERSION.match(sent[0]) else [f"anthropic-version headers {sent!r}"]


def members_of(request: Received) -> tuple[dict[str, Any], list[str]]:
    """The body's members, and what is wrong with it as JSON: a member that stands there twice too."""
    doubled: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        doubled.extend(sorted({name for name in names if names.count(name) > 1}))
        return dict(pairs)

    try:
        found = json.loads(request.body, object_pairs_hook=members)
    except ValueError as error:
        return {}, [f"the body is no JSON: {error}"]
    if not isinstance(found, dict):
        return {}, ["the body is no object"]
    problems = [f"the body names {name} more than once" for name in doubled]
    if request.header("content-type") != "application/json":
        problems.append(f"content-type {request.header('content-type')!r}")
    if "user_profile_id" in found:
        problems.append("user_profile_id is in the body, not in its header")
    profiles = request.all("anthropic-user-profile-id")
    if len(profiles) > 1:
        problems.append(f"anthropic-user-profile-id headers {profiles!r}")
    return found, problems
