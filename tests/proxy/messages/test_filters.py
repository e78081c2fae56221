"""Filters: what an upstream does not take is gone from the body and the headers, and every other byte is as it was."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.inference.test_cool_down import World

from gateway_config.contract import RequestFilter
from gateway_proxy.errors import GatewayError
from gateway_proxy.messages.body import scan
from gateway_proxy.messages.containers import ELEMENTS_LIMIT, PARTS_LIMIT
from gateway_proxy.messages.filters import Cut, Filters

MODEL = "claude-sonnet-5-5"


def made(*fields: str, betas: tuple[str, ...] = (), models: tuple[str, ...] = ()) -> Cut:
    return Cut([RequestFilter(name="f", models=models, betas=betas, fields=fields)])


def cut(body: bytes | str, *fields: str, betas: tuple[str, ...] = ()) -> bytes:
    """The body after the filter; what is known of it is what a reader of its bytes finds."""
    raw = body.encode() if isinstance(body, str) else body
    members, _ = made(*fields, betas=betas).apply(scan(raw), ())
    read = scan(members.body)
    assert members.places == read.places
    for place in read.places:
        assert members.raw(place.name) == read.raw(place.name)
    return members.body


SCOPE = "**.cache_control.scope"


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ('{"cache_control":{"type":"ephemeral","scope":"global"}}', '{"cache_control":{"type":"ephemeral"}}'),
        ('{"cache_control":{"scope":"global","type":"e"}}', '{"cache_control":{"type":"e"}}'),
        (
            '{"cache_control":{"type":"e" , "scope" : {"a":[1]} , "ttl":"1h"}}',
            '{"cache_control":{"type":"e" , "ttl":"1h"}}',
        ),
        ('{"cache_control" :\n{ "scope":1 } }', '{"cache_control" :\n{  } }'),
        ('{"cache_control":{"scope":1,"scope":2,"type":"e"}}', '{"cache_control":{"type":"e"}}'),
        ('{"cache_control":{"type":"e","scope":1,"scope":2}}', '{"cache_control":{"type":"e"}}'),
        ('{"cache_control":{"sc\\u006fpe":1,"type":"e"}}', '{"cache_control":{"type":"e"}}'),
        (
            '{"\\u0063ache_c\\u006Fntro\\u006c":{"scope":1,"type":"e"}}',
            '{"\\u0063ache_c\\u006Fntro\\u006c":{"type":"e"}}',
        ),
        ('{"cache_control":{"type":"scope","scope":"a,\\"b\\"}{"}}', '{"cache_control":{"type":"scope"}}'),
        (
            '{"tools":[{"cache_control":{"scope":1}},{"cache_control":{"scope":1,"t":0}}]}',
            '{"tools":[{"cache_control":{}},{"cache_control":{"t":0}}]}',
        ),
        ('{"cache_control":{"scope":{"cache_control":{"scope":1,"t":0}},"t":1}}', '{"cache_control":{"t":1}}'),
        (
            '{"cache_control":{"x":{"cache_control":{"scope":1,"t":0}},"scope":1}}',
            '{"cache_control":{"x":{"cache_control":{"scope":1,"t":0}}}}',
        ),
        (
            '{"type":"tool_result","content":[{"type":"document","source":{"type":"content","content":'
            '[{"type":"text","cache_control":{"scope":1}}]},"cache_control":{"scope":1}}]}',
            '{"type":"tool_result","content":[{"type":"document","source":{"type":"content","content":'
            '[{"type":"text","cache_control":{}}]},"cache_control":{}}]}',
        ),
        (
            '{"system":[{"text":"a,\\"b\\"\u00e9\U0001f600"} ,\n1, {"text":"x","cache_control":{"scope":1}} ]}',
            '{"system":[{"text":"a,\\"b\\"\u00e9\U0001f600"} ,\n1, {"text":"x","cache_control":{}} ]}',
        ),
        (
            '{"c\\u006fntent":[{"cache_control":{"scope":1}}],"content":[],"content":[{"cache_control":{"scope":1}}]}',
            '{"c\\u006fntent":[{"cache_control":{}}],"content":[],"content":[{"cache_control":{}}]}',
        ),
    ],
)
def test_a_member_of_every_object_with_a_name(body: str, left: str) -> None:
    for before, behind in (("", ""), ('{"messages":[{"content":[', "]}]}")):
        assert cut(before + body + behind, SCOPE) == (before + left + behind).encode()


@pytest.mark.parametrize(
    "body",
    [
        '{"cache_control":{"type":"ephemeral","ttl":"1h"},"scope":"global"}',
        '{"cache_control":"scope","x":{"scope":1}}',
        '{"cache_control":[{"scope":1}]}',
        '{"cache_control":null,"a":"cache_control","scope":{}}',
        '{"system":"\\"cache_control\\":{\\"scope\\":1}","scope":1}',
        '{"system":"\\\\\\"cache_control\\":{\\"scope\\":1}","scope":1}',
        '{"system":"\\\\","x":"cache_control\\":{\\"scope\\":1}"}',
        '{"a":["cache_control",{"scope":1}]}',
        '{"xcache_control":{"scope":1},"cache_controlx":{"scope":1},"Cache_Control":{"scope":1}}',
        '{"cache_control":{"scopes":1,"x":{"scope":1}}}',
        '{"a":"\\u0063ache_control","b":{"scope":1}}',
        '{"a":"\\\\u0063ache_control\\":{\\"scope\\":1}"}',
        "{}",
    ],
)
def test_what_only_looks_like_it_stays(body: str) -> None:
    assert cut(body, SCOPE) == body.encode()


def test_a_lone_surrogate_hides_nothing() -> None:
    body = b'{"system":[{"text":"\\ud800"} ,\n1, {"text":"x","cache_control":{"scope":1}} ]}'
    left = made(SCOPE).apply(scan(body), ())[0].body
    assert left == body.replace(b'"scope":1', b"")


def test_a_part_is_reached_however_deep_the_apis_own_form_goes() -> None:
    text = "x" * 100_000
    body = (
        '{"messages":[{"content":[{"type":"tool_result","content":[{"type":"document","source":{"type":"content","content":'
        f'[{{"type":"text","text":"{text}","cache_control":{{"scope":1,"type":"e"}}}}]}}}}]}}]}}]}}'
    )
    assert cut(body, SCOPE) == body.replace('"scope":1,', "").encode()


def test_a_long_session_is_no_reason_to_refuse() -> None:
    others = '{"role":"user","content":"x"},' * 20_000
    body = f'{{"messages":[{others}{{"content":[{{"cache_control":{{"scope":1}}}}]}}]}}'
    assert cut(body, SCOPE) == body.replace('"scope":1', "").encode()


def test_more_elements_than_any_session_has_are_refused() -> None:
    others = "1," * ELEMENTS_LIMIT
    with pytest.raises(GatewayError) as caught:
        cut(f'{{"messages":[{others}{{"content":[{{"cache_control":{{"scope":1}}}}]}}]}}', SCOPE)
    assert (caught.value.status, caught.value.reason) == (400, "TooManyParts")


WRITTEN = '{"cache_control":{"type":"e","scope":"global"},"content":[{"cache_control":{"scope":1}}]}'


@pytest.mark.parametrize(
    "holder",
    [
        '{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"Write","input":%s}]}]}',
        '{"messages":[{"role":"assistant","content":[{"type":"server_tool_use","input":%s}]}]}',
        '{"messages":[{"role":"assistant","content":[{"type":"mcp_tool_use","input":[%s]}]}]}',
        '{"messages":[{"content":[{"type":"tool_use","\\u0069nput":{"a":{"messages":[%s]}}}]}]}',
        '{"tools":[{"name":"t","input_schema":{"type":"object","properties":%s}}]}',
        '{"tools":[{"name":"t","input_schema":{},"input_examples":[%s]}]}',
        '{"tools":[{"type":"mcp_toolset","configs":%s}]}',
        '{"output_config":{"format":{"type":"json_schema","schema":%s}}}',
        '{"output_format":{"type":"json_schema","schema":{"properties":%s}}}',
        '{"metadata":%s}',
        '{"messages":[{"content":[[%s]]}]}',
        '{"unknown":[%s]}',
    ],
)
def test_what_a_user_or_a_model_wrote_passes_to_the_last_byte(holder: str) -> None:
    written = holder % WRITTEN
    assert cut(written, SCOPE) == written.encode()
    beside = f'{{"system":[{{"text":"","cache_control":%s}}],{written[1:]}'
    assert cut(beside % '{"scope":1}', SCOPE) == (beside % "{}").encode()


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        (["c"], '{"o":{"effort":"high","format":{}}, "max_tokens": 1.0}'),
        (["o"], '{"c":{"edits":[]} , "max_tokens": 1.0}'),
        (["o.effort"], '{"c":{"edits":[]} , "o":{"format":{}}, "max_tokens": 1.0}'),
        (["o.format"], '{"c":{"edits":[]} , "o":{"effort":"high"}, "max_tokens": 1.0}'),
        (["o.effort", "o.format"], '{"c":{"edits":[]} , "o":{}, "max_tokens": 1.0}'),
        (["o.effort", "**.o.format"], '{"c":{"edits":[]} , "o":{}, "max_tokens": 1.0}'),
        (["o.effort", "o"], '{"c":{"edits":[]} , "max_tokens": 1.0}'),
        (["max_tokens"], '{"c":{"edits":[]} , "o":{"effort":"high","format":{}}}'),
        (
            ["max_tokens.x", "edits", "c.edit"],
            '{"c":{"edits":[]} , "o":{"effort":"high","format":{}}, "max_tokens": 1.0}',
        ),
        (["c", "o", "max_tokens"], "{}"),
    ],
)
def test_members_of_the_body_and_of_these(fields: list[str], left: str) -> None:
    body = '{"c":{"edits":[]} , "o":{"effort":"high","format":{}}, "max_tokens": 1.0}'
    assert cut(body, *fields) == left.encode()


def test_a_member_of_a_member_that_stands_twice_is_cut_in_both() -> None:
    body = '{"o":{"a":1,"b":2},"m":[],"\\u006f":{"b":3,"a":4}}'
    assert cut(body, "o.a") == b'{"o":{"b":2},"m":[],"\\u006f":{"b":3}}'
    assert cut(body, "o") == b'{"m":[]}'


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ('["a","b","c"]', '["a","c"]'),
        ('[ "b" , "c" ]', '[ "c" ]'),
        ('["a" , "b" ]', '["a" ]'),
        ('["\\u0062","a"]', '["a"]'),
        ('["b","b","a","b"]', '["a"]'),
        ('["bb",["b"],{"b":"b"},null]', '["bb",["b"],{"b":"b"},null]'),
        ('"b"', '"b"'),
        ("[]", "[]"),
        ("null", "null"),
        ('["b", "b"]', None),
        ('["\u00e9","b"]', '["\u00e9"]'),
    ],
)
def test_betas_in_the_body(sent: str, left: str | None) -> None:
    after = f'{{"model":"m","anthropic_beta":{left},"n":1}}' if left is not None else '{"model":"m","n":1}'
    assert cut(f'{{"model":"m","anthropic_beta":{sent},"n":1}}', betas=("b", "x")) == after.encode()


def test_betas_in_headers_go_with_their_members() -> None:
    filters = [
        RequestFilter(name="context", betas=("context-management-2025-06-27",), fields=("context_management",)),
        RequestFilter(name="others", models=("claude-opus-5-5",), fields=("n",)),
    ]
    chosen = Filters(filters).of(MODEL)
    assert chosen is not None
    body = scan(b'{"model":"m","context_management":{},"n":1}')
    members, left = chosen.apply(body, (b"a-1, context-management-2025-06-27 ,b-2",))
    assert members.body == b'{"model":"m","n":1}'
    assert left == (b"a-1,b-2",)
    again = chosen.apply(members, left)
    assert (again[0], again[1]) == (members, left), "nothing to do, nothing made"


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ([b"a-1,tools-2, b-1"], [b"a-1, b-1", b"search-1"]),
        ([b"tools-2"], [b"search-1"]),
        ([b"tools-2", b"tools-3 , tools-2"], [b"search-1,fetch-1"]),
        ([b"tools-3"], [b"search-1,fetch-1"]),
        ([b"search-1,tools-3"], [b"search-1", b"fetch-1"]),
        ([b"a-1"], [b"a-1"]),
        ([b"gone-1"], []),
        ([], []),
    ],
)
def test_a_beta_stands_in_for_one_that_was_named(values: list[bytes], left: list[bytes]) -> None:
    filters = Filters(
        [
            RequestFilter(name="f", betas=("tools-2",), instead=("search-1",)),
            RequestFilter(name="g", betas=("tools-3",), instead=("search-1", "gone-1", "fetch-1")),
            RequestFilter(name="h", betas=("gone-1",)),
        ]
    )
    chosen = filters.of(MODEL)
    assert chosen is not None
    _, found = chosen.apply(scan(b"{}"), tuple(values))
    assert list(found) == left


async def test_each_upstream_gets_a_request_without_what_it_does_not_take() -> None:
    world = World("a", "b", "c")
    world.a.filters = Filters([RequestFilter(name="f", fields=("stream",))])
    world.b.filters = Filters([RequestFilter(name="f", fields=("max_tokens",), models=(MODEL,))])
    world.c.filters = Filters([RequestFilter(name="f", fields=("model",), models=("claude-opus-5-5",))])
    world.a.says = world.b.says = 503
    await world.ask()
    seen = [client.calls[0].members.body for client in (world.a, world.b, world.c)]
    assert seen == [
        b'{"model":"m","max_tokens":1}',
        b'{"model":"m","stream":false}',
        b'{"model":"m","stream":false,"max_tokens":1}',
    ]


def test_filters_are_of_their_models() -> None:
    one = RequestFilter(name="f", models=("claude-opus-5-5",), fields=("n",))
    assert Filters([one]).of(MODEL) is None
    assert Filters([]).of(MODEL) is None
    filters = Filters([one, RequestFilter(name="g", fields=("m",))])
    for model, left in (("claude-opus-5-5", b"{}"), (MODEL, b'{"n":1}')):
        chosen = filters.of(model)
        assert chosen is not None
        assert filters.of(model) is chosen
        assert chosen.apply(scan(b'{"n":1,"m":2}'), ())[0].body == left


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a.b.c", "**", "**.a", "a.**", "**.a.b.c", "a b", "\u00e9", 'a"']
)
def test_a_path_of_another_form_is_told_before_any_request(path: str) -> None:
    with pytest.raises(ValueError, match="a path is"):
        Filters([RequestFilter(name="f", fields=(path,))])


def test_objects_that_lie_in_each_other_are_bounded() -> None:
    depth, name = 400, '"cache_control":{'
    body = '{"m":' + "{" + name * depth + '"x":[' + "1," * 10_000 + '1],"scope":1' + "}" * (depth + 2)
    with pytest.raises(GatewayError) as caught:
        cut(body, SCOPE)
    assert (caught.value.status, caught.value.reason) == (400, "BodyTooDeep")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ('{"m":[%s],"cache_control":{"scope":1}}', '{"cache_control":{}}'),
        ('{"cache_control":{%s,"scope":1}}', '"a":1'),
        ('{"anthropic_beta":[%s]}', '"a-1"'),
    ],
)
def test_parts_that_are_looked_into_are_bounded(body: str, part: str) -> None:
    """A body of the largest size would hold up everybody for half a minute."""
    beta = ("b-2",)
    most = PARTS_LIMIT - ("scope" in body)
    cut(body % ",".join([part] * most), SCOPE, betas=beta)
    with pytest.raises(GatewayError) as caught:
        cut(body % ",".join([part] * (most + 1)), SCOPE, betas=beta)
    assert (caught.value.status, caught.value.reason) == (400, "TooManyParts")


@pytest.mark.parametrize("depth", range(960, 1010, 5))
def test_a_value_of_any_depth_is_taken_or_refused(depth: int) -> None:
    body = b'{"cache_control":{"scope":1,"x":%b}}' % (b"[" * depth + b"]" * depth)
    try:
        left = cut(body, SCOPE)
    except GatewayError as error:
        left = error.reason.encode()
    assert left in (body.replace(b'"scope":1,', b""), b"BodyTooDeep")


NAMES = st.sampled_from(
    ["cache_control", "scope", "content", "tools", "a", "", "cache_control\\u0022", "\u00e9", "sc\u00f6pe"]
)
LEAVES = st.none() | st.integers() | st.sampled_from(["x", '"cache_control":{"scope":1}', "\\", "\U0001f600"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


def expected(value: Any, *, own: bool = True) -> Any:
    """`own`: whether the value is of the API's form, and not what somebody wrote."""
    if isinstance(value, list):
        return [expected(one, own=own and isinstance(one, dict)) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: expected(one, own=own and name in ("content", "tools")) for name, one in value.items()}
    inner = found.get("cache_control")
    if own and isinstance(inner, dict):
        inner.pop("scope", None)
    return found


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.booleans(), st.sampled_from([None, 0, 1]))
def test_as_somebody_who_parses_would_cut(document: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()
    left = cut(body, SCOPE)
    assert json.loads(left) == expected(document)
    if json.loads(left) == document:
        assert left == body
