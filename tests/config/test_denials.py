"""What a refused developer reads: bounded, printable, with the way out."""

from hypothesis import given
from hypothesis import strategies as st

from gateway_config import denials


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
