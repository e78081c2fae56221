"""YAML and JSON as Kubernetes reads them, and the line of every mistake."""

import pytest

from gateway_operator.local.documents import DocumentError, line_of, parse_json, parse_yaml, split

ALIAS_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join(['*' + chr(97 + level)] * 9)}]\n" for level in range(12)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2027-06-01", "2027-06-01"),
        ("2027-06-01T00:00:00Z", "2027-06-01T00:00:00Z"),
        ("12:30:45", "12:30:45"),
        ("yes", True),
        ("off", False),
        ("yesterday", "yesterday"),
        ("~", None),
        ("010", 8),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1.0", 1),
        ("1e3", 1000),
        ("-0.5", -0.5),
        ("1.2.3", "1.2.3"),
        ("-", None),
        ('"1"', "1"),
        ("!!str 5", "5"),
        ("!!int 5", 5),
        ("|\n  two\n  lines", "two\nlines"),
    ],
)
def test_scalars_mean_what_they_mean_to_kubernetes(text: str, value: object) -> None:
    expected = [None] if text == "-" else value
    assert parse_yaml(f"key:\n  {text}") == {"key": expected}


def test_keys_are_strings() -> None:
    assert parse_yaml("1: a\ntrue: b\nx: c") == {"1": "a", "true": "b", "x": "c"}


def test_merge_keys_and_anchors() -> None:
    text = "base: &base {one: 1, two: 2}\nfirst: {<<: *base, two: 3}\nsecond: {<<: [*base, {four: 4}]}"
    value = parse_yaml(text)
    assert value["first"] == {"one": 1, "two": 3}
    assert value["second"] == {"one": 1, "two": 2, "four": 4}


def test_aliases_do_not_share_values() -> None:
    value = parse_yaml("a: &a {x: 1}\nb: *a")
    value["a"]["x"] = 2
    assert value["b"] == {"x": 1}


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("a: 1\nb:\n  - c: 1\n    c: 2", 3, "b[0].c", 'the key "c" stands twice'),
        ("a:\n  b: !foo x", 1, "a.b", "has an unknown tag; put it in quotes"),
        ("a: !!binary aGk=", 0, "a", "unknown tag !!binary"),
        ("a: !!int x", 0, "a", "the value is not !!int"),
        ("a: 1\na1: &a [*a]", 1, "a1[0]", "an alias stands inside the value that it names"),
        ("a: 'x\nb: 1", 0, "", "a quote that opens on this line is never closed"),
        ("a:\n\tb: 1", 1, "", "a tab indents this line"),
        ("a: b: c", 0, "", "mapping values are not allowed"),
        ("a: 1\nb: \x01", 1, "", "the control character U+0001"),
        ("a: *nowhere", 0, "", "undefined alias"),
        ("a: @b", 0, "", "a value cannot begin with '@'"),
        ("- 1\nb: 2", 1, "", "did not find expected '-' indicator"),
        ("a: .inf", 0, "a", "is not a number that JSON has"),
        ("a: 1e999", 0, "a", "is too large"),
        ("a: " + "9" * 5000, 0, "a", "is too large"),
        ("? [a]\n: b", 0, "", "a key must be a string"),
        ("a: {{ .Values.x }}", 0, "a", "a key must be a string"),
        ('a: "\\ud800"', 0, "", "invalid Unicode character escape"),
        ("[" * 200 + "]" * 200, 0, "", "nested deeper than 100 levels"),
        ("[" * 300_000 + "]" * 300_000, 0, "", "nested deeper than 100 levels"),
        ("- " * 100_000 + "a", 0, "", "nested deeper than 100 levels"),
        ("? " * 100_000 + "a", 0, "", "nested deeper than 100 levels"),
        (ALIAS_BOMB, 0, None, "aliases repeat more than 100000 values"),
    ],
)
def test_broken_yaml_has_line_and_field(text: str, line: int, field: str | None, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_yaml(text)
    assert message in str(caught.value)
    assert field is None or caught.value.field.startswith(field)
    assert caught.value.line == line
    assert "\n" not in str(caught.value)


def test_a_duplicate_key_names_both_lines() -> None:
    with pytest.raises(DocumentError) as caught:
        parse_yaml("spec: 1\nother: 2\nspec: 3\n")
    assert (caught.value.first_line, caught.value.line) == (0, 2)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"a": 1,\n "b": {"c": 1,\n "c": 2}}', 2, 'the key "c" stands twice'),
        ('{"a": NaN}', 0, "NaN is not a number that JSON has"),
        ('{"a": 1e999}', 0, "too large"),
        ('{"a": ' + "1" * 5000 + "}", 0, "too large"),
        ('{"a": "\\ud800"}', 0, "half a character"),
        ('{"a":' + "[" * 100_000, 0, "nested deeper"),
        ("[" * 150 + "]" * 150, 0, "nested deeper"),
        ('{"a": 1\n,}', 1, "not JSON"),
        ('{"a": 1} x', 0, "not JSON: Extra data"),
        ("", 0, "not JSON"),
    ],
)
def test_broken_json_has_a_line(text: str, line: int, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_json(text)
    assert message in str(caught.value)
    assert caught.value.line == line


def test_documents_that_say_nothing_are_left_out() -> None:
    text = "# head\n---\na: 1\n--- # only a comment\n---\n...\n---\n# c\nb: 2\n"
    chunks = list(split(text))
    assert [parse_yaml(chunk.text) for chunk in chunks] == [{"a": 1}, {"b": 2}]
    assert [text.count("\n", 0, chunk.offset) for chunk in chunks] == [1, 6]


def test_a_separator_inside_a_block_scalar_is_text_only_when_indented() -> None:
    chunks = list(split("a: |\n  text\n  ---\n  more\n---\nb: 1\n"))
    assert [parse_yaml(chunk.text) for chunk in chunks] == [{"a": "text\n---\nmore\n"}, {"b": 1}]


LABELLED = """metadata:
  labels:
    claude-gateway.dev/gateway: x
spec:
  matches:
    - groups: [a]
    - users:
        - b
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("metadata.labels.claude-gateway.dev/gateway", 2),
        ('metadata.labels["claude-gateway.dev/gateway"]', 2),
        ("spec.matches[1].users[0]", 7),
        ("spec.matches[1].missing", 6),
        ("spec.missing", 3),
        ("kind", 0),
        ("", 0),
    ],
)
def test_the_line_of_a_field(path: str, line: int) -> None:
    assert line_of(LABELLED, path) == line


@pytest.mark.parametrize(
    "value", ["!canary7f3a", "!canary7f3a x", "!!int canary7f3a", "7373" * 1200, "&canary7f3a *gone"]
)
def test_no_message_holds_the_value(value: str) -> None:
    """It may be a password that somebody forgot to quote."""
    with pytest.raises(DocumentError) as caught:
        parse_yaml(f"stringData:\n  password: {value}\n")
    assert "canary" not in str(caught.value)
    assert "7373" not in str(caught.value)
