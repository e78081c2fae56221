"""Audit lines of sign-ins and sessions. None holds a code, a token or anything that opens one."""

from collections.abc import Mapping

from gateway_proxy.telemetry.audit import Line


def event_line(event: str, *, request_id: str, client: str, members: Mapping[str, str | int | None]) -> Line:
    """`event`: device.authorize, device.verify, device.callback, session.mint, session.refresh or session.revoke.
    `client`: the address. A member that is None is left out."""
    line: Line = {"event": event, "request_id": request_id}
    if client:
        line["client"] = client
    return line | {name: value for name, value in members.items() if value is not None}
