"""What a check says of a credential, from the answers that it got."""

import pytest
from tests.checks.test_ways_out import facts

from gateway_operator.checks.results import Binding, Call


def state(*calls: tuple[int, str, str, str]) -> str:
    made = [
        Call(
            model="claude-opus-5-5",
            kind="Stream",
            ok=status == 200,
            status=status,
            reason=reason,
            code=code,
            message=it,
        )
        for status, reason, code, it in calls
    ]
    return Binding(facts=facts("Bedrock"), calls=made).credential


@pytest.mark.parametrize(
    ("status", "code", "message", "told"),
    [
        (200, "", "", "ok"),
        (429, "ThrottlingException", "Too many tokens", "ok"),
        (400, "ValidationException", "The provided model identifier is invalid.", "ok"),
        (400, "ExpiredTokenException", "The security token included in the request is expired", "expired"),
        (400, "UnrecognizedClientException", "The security token included in the request is invalid.", "denied"),
        (403, "ExpiredTokenException", "The security token included in the request is expired", "expired"),
        (403, "InvalidSignatureException", "Signature expired: 1 is now earlier than 2", "denied"),
        (400, "RequestExpired", "", "denied"),
        (401, "", "", "denied"),
    ],
)
def test_an_answer(status: int, code: str, message: str, told: str) -> None:
    assert state((status, "Status", code, message)) == told


def test_no_answer() -> None:
    assert state((0, "NameNotFound", "", "no address")) == "not tried"
    assert state((0, "Credential", "", "AADSTS7000222: the secret has expired")) == "expired"
    assert state((0, "Credential", "", "no role")) == "not fetched"


def test_one_good_answer_is_enough() -> None:
    assert state((403, "Status", "AccessDeniedException", "no access"), (200, "", "", "")) == "ok"
