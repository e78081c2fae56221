"""What a refused developer reads: bounded, printable, with the way out."""

from hypothesis import given
from hypothesis import strategies as st

from gateway_config import denials
from gateway_proxy.inference import errors


@given(st.text(), st.lists(st.text(max_size=5)))
def test_client_text_is_bounded_and_printable(name: str, allowed: list[str]) -> None:
    assert len(denials.quoted(name)) <= 103
    assert denials.quoted(name).isprintable()
    assert "administrator" in denials.model_not_allowed(name, allowed)


def test_a_few_open_models_are_named() -> None:
    sentence = denials.model_not_allowed("opus", [f"m{number}" for number in range(15)])
    assert "m11 and 3 more" in sentence
    assert "m12" not in sentence
    assert "no other is" in denials.model_unknown("opus")


def test_the_proxy_says_what_explain_foretells() -> None:
    names = [f"m{number}" for number in range(15)]
    assert errors.no_policy().message == denials.no_policy()
    assert errors.access_denied("a/b").message == denials.access_denied("a/b")
    assert errors.policy_invalid("a/b").message == denials.policy_invalid("a/b")
    assert errors.model_not_allowed("x\n", names).message == denials.model_not_allowed("x\n", names)
    assert errors.model_unknown("x" * 300).message == denials.model_unknown("x" * 300)
    assert errors.model_without_upstream("x").message == denials.model_without_upstream("x")
