"""A body's members: found as json.loads finds them, edited without touching another byte, unclear ones refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.errors import GatewayError
from gateway_proxy.messages.body import MAX_MEMBERS, scan

BLANKS = st.text(alphabet=" \t\n\r", max_size=3)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["messages", "max_tokens", "tags", "stream", "é", 'qu"ote', "", "x" * 70, "\n"]) | TEXT


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    """A document with odd white space, and its members; names are unique."""
    members = draw(st.dictionaries(NAMES.filter(lambda name: name != "model"), VALUES, max_size=6))
    members["model"] = draw(TEXT.filter(bool))
    order = draw(st.permutations(list(members)))
    plain = draw(st.booleans())

    def blanks() -> str:
        return "" if plain else draw(BLANKS)

    ascii_only = draw(st.booleans())
    parts = []
    for name in order:
        # Names that route must be spelled plainly; json.dumps escapes only what must be.
        key = json.dumps(name, ensure_ascii=ascii_only)
        value = json.dumps(members[name], ensure_ascii=ascii_only, separators=None if not plain else (",", ":"))
        parts.append(f"{blanks()}{key}{blanks()}:{blanks()}{value}{blanks()}")
    text = f"{blanks()}{{{','.join(parts)}}}{blanks()}"
    return text.encode(), {name: members[name] for name in order}


@given(bodies())
def test_members_are_those_json_finds(document: tuple[bytes, dict[str, Any]]) -> None:
    body, _ = document
    parsed = json.loads(body)
    members = scan(body)
    assert members.model() == parsed["model"]
    assert members.stream == (parsed.get("stream") is True)


@given(bodies(), TEXT.filter(bool))
def test_a_replaced_model_changes_nothing_else(document: tuple[bytes, dict[str, Any]], name: str) -> None:
    body, _ = document
    before = json.loads(body)
    after = scan(body).with_model(name)
    expected = dict(before) | {"model": name}
    assert json.loads(after) == expected
    assert list(json.loads(after)) == list(before)
    old, new = json.dumps(before["model"]), json.dumps(name)
    # What stands before and behind the value is the same bytes.
    prefix = len(body) - len(body.lstrip())
    assert after[:prefix] == body[:prefix]
    assert abs(len(after) - len(body)) <= 6 * max(len(old), len(new))


@given(bodies(), st.sets(NAMES, max_size=3))
def test_cut_members_are_gone_and_the_rest_is_whole(document: tuple[bytes, dict[str, Any]], names: set[str]) -> None:
    body, _ = document
    cut = scan(body).edited(dict.fromkeys(names))
    assert json.loads(cut) == {name: value for name, value in json.loads(body).items() if name not in names}


@given(bodies(), st.dictionaries(NAMES, st.none() | VALUES, max_size=3), st.dictionaries(NAMES, VALUES, max_size=2))
def test_changes_and_additions_at_once(
    document: tuple[bytes, dict[str, Any]], changes: dict[str, Any], added: dict[str, Any]
) -> None:
    body, _ = document
    before = json.loads(body)
    added = {name: value for name, value in added.items() if name not in before}
    coded = {name: None if value is None else json.dumps(value).encode() for name, value in changes.items()}
    after = scan(body).edited(coded, [(name, json.dumps(value).encode()) for name, value in added.items()])
    expected = {name: changes.get(name, value) for name, value in before.items() if changes.get(name, 1) is not None}
    assert json.loads(after) == expected | added
    assert list(json.loads(after)) == [*expected, *added]


def test_additions_follow_the_last_member() -> None:
    added = [("anthropic_version", b'"v"'), ("\u00e9", b"[1]")]
    assert scan(b'{"model":"a"}').edited({}, added) == b'{"model":"a","anthropic_version":"v","\xc3\xa9":[1]}'
    assert scan(b' { "model" : "a" } ').edited({}, [("x", b"1")]) == b' { "model" : "a","x":1 } '
    assert scan(b' { "model" : "a" } ').edited({"model": None}, added[:1]) == b' {"anthropic_version":"v" } '
    assert scan(b'{"n":1 , "model":"a" }').edited({"model": None}, [("x", b"1")]) == b'{"n":1,"x":1 }'
    assert scan(b'{"model":"a", "n":1}').edited({"model": b'"b"'}, [("x", b"1")]) == b'{"model":"b", "n":1,"x":1}'
    assert scan(b" { } ").edited({}, [("x", b"1"), ("y", b"2")]) == b' {"x":1,"y":2 } '


def test_an_addition_never_makes_a_second_member_of_one_name() -> None:
    members = scan(b'{"model":"a","x":1}')
    assert members.edited({"x": None}, [("x", b"2")]) == b'{"model":"a","x":2}'
    with pytest.raises(ValueError, match="a member x already"):
        members.edited({}, [("x", b"2")])


@pytest.mark.parametrize(
    ("body", "cut", "replaced"),
    [
        (b'{"n":1,"model":"a","n":2}', b'{"model":"a"}', b'{"n":7,"model":"a","n":7}'),
        (b'{"model":"a","n":1,"n":1}', b'{"model":"a"}', b'{"model":"a","n":7,"n":7}'),
        (b'{"model":"a", "\\u006e":1 ,"n": 2}', b'{"model":"a"}', b'{"model":"a", "\\u006e":7 ,"n": 7}'),
        (b'{ "n":[1], "n":{"n":2}, "model":"a"}', b'{ "model":"a"}', b'{ "n":7, "n":7, "model":"a"}'),
    ],
)
def test_a_member_that_stands_twice_is_changed_wherever_it_stands(body: bytes, cut: bytes, replaced: bytes) -> None:
    assert scan(body).edited({"n": None}) == cut
    assert scan(body).edited({"n": b"7"}) == replaced


def test_white_space_numbers_and_key_order_survive() -> None:
    body = b'{ "temperature" : 1.0 ,"model": "a",\n "big":12345678901234567890, "e": 1E+2 }\n'
    assert scan(body).with_model("claude-opus-5") == body.replace(b'"a"', b'"claude-opus-5"')


def test_the_last_member_is_cut_with_the_comma_before_it() -> None:
    assert scan(b'{"model":"a","tags":["x"]}').edited({"tags": None}) == b'{"model":"a"}'
    assert scan(b'{"model":"a" , "tags" : 1 }').edited({"tags": None}) == b'{"model":"a" }'
    assert scan(b'{"tags":[1],"stream":true}').edited({"tags": None, "stream": None}) == b"{}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","model":"a"}',
        b'{"\\u006dodel":"a"}',
        b'{"model":"a","\\u006dodel":"b"}',
        b'{"mode\\u006c":"a"}',
        b'{"model":"a","stream":false,"stream":true}',
        b'{"model":"a","str\\u0065am":true}',
        b'{"model":"a","max_tokens":12,"max_tokens":1}',
        b'{"model":"a","tags":[],"t\\u0061gs":[1]}',
        # What a provider writes.
        b'{"model":"a","anthropic_version":"x","anthropic_version":"y"}',
        b'{"model":"a","anthropic_bet\\u0061":[]}',
        b'{"model":"a","user_profile_id":"x","user_profile_i\\u0064":"y"}',
        # A duplicate of another member must not hide what follows it.
        b'{"n":12,"model":"a","n":1,"model":"b"}',
        b'{"n":{"a":1},"model":"a","n":{},"\\u006dodel":"b"}',
        b'{"n":1.5,"model":"a","n":1,"model":"b"}',
    ],
)
def test_a_member_that_must_be_clear_spelled_twice_or_with_escapes_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        scan(body)
    assert (caught.value.status, caught.value.reason) == (400, "AmbiguousMember")


def test_a_duplicate_of_any_other_member_passes() -> None:
    body = b'{"n":12,"model":"a","n":1}'
    assert scan(body).with_model("b") == b'{"n":12,"model":"b","n":1}'


def test_routing_names_inside_other_values_mean_nothing() -> None:
    members = scan(b'{"messages":[{"model":"x","model":"y"}],"system":"\\"model\\":\\"z\\"","model":"a"}')
    assert members.model() == "a"


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"[]", b'"text"', b"1", b"{", b'{"model"', b'{"model":', b'{"model":"a"', b'{"model":"a"}}',
        b'{"model":"a"} x', b'{"model":"a",}', b"{model:1}", b"{'model':'a'}", b'{"model":NaN}', b'{"x":Infinity}',
        b'{"x":-Infinity}', b'{"model":"\x01"}', b'{"model":"\xff"}', b'{"\xff":1}', b'{"a":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"model":"a"}', b'{"x":01}', b'{"x":1.}', b'{"x":tru}', b'{"x":"\\x"}', b'{"x":"\\u12"}',
        b'{"a":' + b"[" * 100_000, b'{"a":' + b'{"b":' * 100_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"\x00", b'{"a":1}\x00',
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_a_400_and_never_a_crash(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        scan(body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "model is required"),
        (b'{"model":""}', "model is required"),
        (b'{"model":null}', "model must be a string"),
        (b'{"model":1}', "model must be a string"),
        (b'{"model":["a"]}', "model must be a string"),
        (b'{"model":true}', "model must be a string"),
    ],
)
def test_a_model_that_is_none(body: bytes, message: str) -> None:
    with pytest.raises(GatewayError, match=message):
        scan(body).model()


@pytest.mark.parametrize("escape", ["\\ud800", "\\uDFFF", "\\uDa12\\udB34"])
def test_a_lone_surrogate_is_not_read_as_a_letter(escape: str) -> None:
    body = b'{"model":"cl%bude", "cl%bude":1}' % (escape.encode(), escape.encode())
    read = scan(body)
    assert not read.model().isascii()
    assert "clAude" not in read
    assert read.body == body
    assert read.with_model("m") == b'{"model":"m", "cl%bude":1}' % escape.encode()


def test_huge_numbers_and_lone_surrogates_are_the_upstreams_business() -> None:
    body = b'{"model":"a","n":' + b"9" * 50_000 + b' ,"t":"\\ud800 \\uDFFF"}'
    assert scan(body).model() == "a"
    assert scan(body).with_model("b") == body.replace(b'"a"', b'"b"')


def test_the_number_of_members_is_bounded() -> None:
    many = ",".join(f'"m{number}":1' for number in range(MAX_MEMBERS + 1))
    same = ",".join('"m": 1' for _ in range(MAX_MEMBERS + 1))
    for members in (many, same):
        with pytest.raises(GatewayError) as caught:
            scan(f"{{{members}}}".encode())
        assert caught.value.reason == "TooManyMembers"


@pytest.mark.parametrize("depth", range(960, 1010, 2))
def test_a_duplicate_member_of_any_depth_is_taken_or_refused(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    body = b'{"model":"m","x":%b,"x":1}' % deep
    try:
        model = scan(body).model()
    except GatewayError as error:
        model = error.reason
    assert model in ("m", "BodyTooDeep")
