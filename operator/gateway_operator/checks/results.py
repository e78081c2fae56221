"""What a check has found, as it comes from the proxy line by line."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from gateway_operator.checks.facts import Facts

_AWS_CREDENTIAL: Final = re.compile(r"expired|security token|signature|unrecognizedclient|invalidclienttokenid")
"""What AWS says of a credential with status 400."""
_EXPIRED: Final = re.compile(r"(?<!signature )(?<!request)expired")
"""Of a signature or a request, it is the clock that is wrong."""


class CredentialState(StrEnum):
    OK = "ok"
    DENIED = "denied"
    EXPIRED = "expired"
    FAILED = "not fetched"
    MISSING = "missing"
    UNKNOWN = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, or what kept it from being sent."""

    model: str
    """Canonical id; empty for a finding that no model is to blame for."""
    upstream_model: str = ""
    kind: str
    """Stream, Message or CountTokens."""
    ok: bool
    status: int = 0
    reason: str = ""
    code: str = ""
    message: str = ""
    request_id: str = ""
    milliseconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Clients do without a number of tokens."""
        return not self.ok and self.kind != "CountTokens"

    @property
    def of_the_credential(self) -> bool:
        """Whether it was the credential that was refused, or not there."""
        at_aws = self.status == 400 and _AWS_CREDENTIAL.search(self.text.lower())
        return self.status in (401, 403) or self.reason == "Credential" or bool(at_aws)

    @property
    def text(self) -> str:
        """What the upstream said, or why it said nothing."""
        said = ": ".join(part for part in (self.code, self.message) if part)
        return f"{self.status} {said}".strip() if self.status else said or self.reason


@dataclass(slots=True, kw_only=True)
class Binding:
    """One binding."""

    facts: Facts
    calls: list[Call] = field(default_factory=list)
    not_tried: tuple[str, ...] = ()
    """Models that would have failed as the one before did."""
    left_out: tuple[str, ...] = ()
    """Models that policies open, beyond what is tried by default."""
    note: str = ""
    problem: str = ""
    """Why no request was sent at all; empty where one was."""
    way_out: str = ""
    """Of the problem."""
    without_secret: bool = False
    """The problem is a Secret that is not there."""
    skipped: bool = False
    """The problem is no failure: it cannot be tried from here."""

    @property
    def failed(self) -> bool:
        return bool(self.problem and not self.skipped) or any(call.failed for call in self.calls)

    @property
    def credential(self) -> CredentialState:
        if not self.calls:
            return CredentialState.MISSING if self.without_secret else CredentialState.UNKNOWN
        if any(call.ok for call in self.calls):
            return CredentialState.OK
        refused = [call for call in self.calls if call.of_the_credential]
        if refused:
            if any(_EXPIRED.search(call.text.lower()) for call in refused):
                return CredentialState.EXPIRED
            return CredentialState.FAILED if refused[0].reason == "Credential" else CredentialState.DENIED
        # Any other answer came behind the look at the credential, as far as providers tell.
        return CredentialState.OK if any(call.status for call in self.calls) else CredentialState.UNKNOWN


@dataclass(slots=True)
class Results:
    """Of a whole check. Bindings are in the order in which requests try them, those that were not tried behind."""

    bindings: dict[str, Binding]
    unknown_models: list[str] = field(default_factory=list)
    ended: bool = False
    """Whether the proxy has told all."""
    _ids: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def about(cls, bindings: Iterable[Binding]) -> "Results":
        return cls({binding.facts.full_name: binding for binding in bindings})

    @property
    def failed(self) -> bool:
        return bool(self.unknown_models) or any(binding.failed for binding in self.bindings.values())

    @property
    def tried(self) -> bool:
        return any(binding.calls for binding in self.bindings.values())

    def take(self, line: Mapping[str, Any]) -> None:
        """A line of the proxy."""
        event = line.get("event")
        if event == "end":
            self.ended = True
        elif event == "model_unknown":
            self.unknown_models.append(str(line["model"]))
        binding = self.bindings.get(str(line.get("upstream")))
        if binding is None:
            return
        name = binding.facts.full_name
        if event == "upstream":
            self._ids |= {(name, model): known_as for model, known_as in line["models"].items()}
            binding.left_out, binding.note = tuple(line["left_out"]), line["note"]
        elif event == "unusable":
            binding.problem, binding.way_out = line["message"], f"check {binding.facts.credential}"
        elif event == "not_tried":
            binding.not_tried = tuple(line["models"])
        elif event == "call":
            known = {part: line[part] for part in Call.__dataclass_fields__ if part in line}
            binding.calls.append(Call(**known, upstream_model=self._ids.get((name, line["model"]), "")))
