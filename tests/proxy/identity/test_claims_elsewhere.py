"""What the identity token leaves out: the userinfo endpoint, Microsoft Graph and the Google Workspace directory."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from tests.proxy.configurations import sha256
from tests.proxy.identity.clients import Clock, MakeDeveloper, Rerouted, configured
from tests.standins.identity_provider import Asked, IdentityProvider, private_key

from gateway_config.contract import GoogleGroups
from gateway_config.parts import Value
from gateway_proxy.identity.oidc import entra, google
from gateway_proxy.identity.oidc.calls import Calls
from gateway_proxy.identity.oidc.failures import ProviderRefusedError, ProviderUnavailableError, SignInRefusedError
from gateway_proxy.identity.oidc.people import MAX_GROUPS

GRAPH = "/v1.0/me/getMemberObjects"
DIRECTORY = "/admin/directory/v1/groups"

# --- userinfo ---


async def test_claims_that_the_token_lacks(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.userinfo = {**idp.claims, "groups": ["from-userinfo"], "sub": "00u-alice"}
    idp.alter_token = lambda header, claims: claims.pop("groups") and None
    assert (await developer().come_back()).person.groups == ()
    assert (await developer(userinfo_fallback=True).come_back()).person.groups == ("from-userinfo",)


async def test_what_the_token_says_counts(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.userinfo = {"sub": "00u-alice", "email": "root@corp.example", "groups": ["from-userinfo"]}
    idp.alter_token = lambda header, claims: claims.pop("groups") and None
    person = (await developer(userinfo_fallback=True).come_back()).person
    assert (person.email, person.groups) == ("alice@corp.example", ("from-userinfo",))


async def test_it_is_not_asked_without_need(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    await developer(userinfo_fallback=True).come_back()
    assert idp.asked("/userinfo") == 0


@pytest.mark.parametrize("subject", ["00u-bob", None, 7])
async def test_userinfo_of_somebody_else_is_refused(
    idp: IdentityProvider, developer: MakeDeveloper, subject: Any
) -> None:
    idp.userinfo = {"sub": subject, "groups": ["admins"]}
    idp.alter_token = lambda header, claims: claims.pop("groups") and None
    with pytest.raises(SignInRefusedError, match="somebody else"):
        await developer(userinfo_fallback=True).come_back()


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_userinfo_that_does_not_answer(idp: IdentityProvider, developer: MakeDeveloper, status: int) -> None:
    idp.answers["/userinfo"] = lambda _: (status, {})
    idp.alter_token = lambda header, claims: claims.pop("groups") and None
    with pytest.raises(ProviderUnavailableError):
        await developer(userinfo_fallback=True).come_back()


# --- Microsoft Entra ---

OVERAGE: list[dict[str, Any]] = [
    {"hasgroups": True},
    {"hasgroups": "true"},
    {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x"}}},
]
TENANT = "https://login.microsoftonline.com/3f2c/v2.0"


async def groups_of_graph(
    idp: IdentityProvider,
    out: Rerouted,
    *,
    issuer: str = TENANT,
    graph_host: str | None = None,
    token: str | None = "at",
) -> list[str]:
    provider = configured(idp, issuer=issuer)
    return await entra.all_groups(Calls(out), provider, access_token=token, graph_host=graph_host)


@pytest.mark.parametrize("claims", OVERAGE)
def test_a_token_that_leaves_groups_out_is_noticed(claims: dict[str, Any]) -> None:
    for names in (["groups"], ["/groups"], ["roles", "/groups/0"]):
        assert entra.left_out(claims, names) == {"groups"}
        assert not entra.left_out({**claims, "groups": []}, names)
    assert not entra.left_out(claims, ["roles", "/realm_access/groups"])


@pytest.mark.parametrize(
    "claims", [{}, {"hasgroups": False}, {"_claim_names": {"roles": "src1"}}, {"_claim_names": ["groups"]}]
)
def test_a_token_without_groups_leaves_none_out(claims: dict[str, Any]) -> None:
    assert not entra.left_out(claims, ["groups"])


async def test_graph_is_asked_as_the_person(idp: IdentityProvider, out: Rerouted) -> None:
    asked: list[Asked] = []

    def graph(request: Asked) -> tuple[int, dict[str, Any]]:
        asked.append(request)
        return 200, {"value": ["id-1", "id-2"]}

    idp.answers[GRAPH] = graph
    assert await groups_of_graph(idp, out, token="access-token-of-alice") == ["id-1", "id-2"]
    assert asked[0].headers["authorization"] == "Bearer access-token-of-alice"
    assert asked[0].json() == {"securityEnabledOnly": False}


@pytest.mark.parametrize(
    ("issuer", "graph_host", "asked"),
    [
        (TENANT, None, "graph.microsoft.com"),
        (TENANT, "graph.microsoft.com", "graph.microsoft.com"),
        (TENANT, "evil.example", "graph.microsoft.com"),
        ("https://sts.windows.net/3f2c/", None, "graph.microsoft.com"),
        ("https://login.microsoftonline.us/3f2c/v2.0", None, "graph.microsoft.us"),
        ("https://login.microsoftonline.us/3f2c/v2.0", "dod-graph.microsoft.us", "dod-graph.microsoft.us"),
        ("https://login.partner.microsoftonline.cn/3f2c/v2.0", None, "microsoftgraph.chinacloudapi.cn"),
    ],
)
async def test_the_token_goes_to_microsoft_alone(
    idp: IdentityProvider, out: Rerouted, issuer: str, graph_host: str | None, asked: str
) -> None:
    idp.answers[GRAPH] = lambda _: (200, {"value": []})
    await groups_of_graph(idp, out, issuer=issuer, graph_host=graph_host)
    assert out.asked_for == [f"https://{asked}{GRAPH}"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"error": {"code": "Authorization_RequestDenied"}}),
        (401, {}),
        (400, {"error": {"code": "Directory_ResultSizeLimitExceeded"}}),
        (200, {"value": [str(number) for number in range(MAX_GROUPS + 1)]}),
        (200, {"value": [{"id": "x"}]}),
    ],
)
async def test_a_graph_that_does_not_tell_us_is_a_refusal_with_a_way_out(
    idp: IdentityProvider, out: Rerouted, status: int, body: dict[str, Any]
) -> None:
    idp.answers[GRAPH] = lambda _: (status, body)
    with pytest.raises(SignInRefusedError, match="GroupMember") as caught:
        await groups_of_graph(idp, out)
    assert caught.value.reason == "GroupsLeftOut"
    assert caught.value.sentence.startswith("You are in more groups than okta tells this gateway.")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_graph_in_trouble_says_nothing(idp: IdentityProvider, out: Rerouted, status: int) -> None:
    idp.answers[GRAPH] = lambda _: (status, {})
    with pytest.raises(ProviderUnavailableError):
        await groups_of_graph(idp, out)


async def test_groups_left_out_by_another_provider_are_a_refusal(
    idp: IdentityProvider, developer: MakeDeveloper, out: Rerouted
) -> None:
    """Without groups, a policy that denies one of them would not apply."""
    idp.claims.pop("groups")
    idp.claims["hasgroups"] = True
    with pytest.raises(SignInRefusedError) as caught:
        await developer().come_back()
    assert caught.value.reason == "GroupsLeftOut"
    assert not [url for url in out.asked_for if "graph" in url]


async def test_another_group_claim_that_was_left_out_is_a_refusal(
    idp: IdentityProvider, developer: MakeDeveloper
) -> None:
    idp.claims |= {"_claim_names": {"realm_access": "src1"}}
    with pytest.raises(SignInRefusedError) as caught:
        await developer(group_claims=("groups", "/realm_access/roles")).come_back()
    assert caught.value.reason == "GroupsLeftOut"


async def test_whoever_takes_no_groups_of_the_token_does_not_mind(
    idp: IdentityProvider, developer: MakeDeveloper
) -> None:
    idp.claims.pop("groups")
    idp.claims |= {"hasgroups": True, "roles": ["Engineer"]}
    assert (await developer(group_claims=("roles",)).come_back()).person.groups == ("Engineer",)


@pytest.mark.parametrize("name", ["groups", "/groups"])
async def test_a_sign_in_at_entra_with_too_many_groups(
    idp: IdentityProvider, developer: MakeDeveloper, name: str
) -> None:
    host = "https://login.microsoftonline.com"
    idp.discovery |= {
        "issuer": TENANT,
        "authorization_endpoint": f"{host}/authorize",
        "token_endpoint": f"{host}/token",
        "jwks_uri": f"{host}/keys",
        "msgraph_host": "graph.microsoft.com",
    }
    idp.answers["/3f2c/v2.0/.well-known/openid-configuration"] = lambda _: (200, idp.discovery)
    idp.claims = {"sub": "pairwise", "oid": "0b1c", "email": "alice@corp.example", "hasgroups": True}
    idp.claims["roles"] = ["Engineer"]
    idp.alter_token = lambda header, claims: claims.update(iss=TENANT)
    idp.answers[GRAPH] = lambda asked: (
        (200, {"value": ["group-1"]})
        if asked.headers["authorization"].removeprefix("Bearer ") in idp._access_tokens
        else (401, {})
    )
    one = developer(name="entra", issuer=TENANT, user_claim="oid", group_claims=(name, "roles"))
    signed_in = await one.come_back()
    assert (signed_in.person.user, signed_in.person.groups) == ("0b1c", ("group-1", "Engineer"))
    again = await one.client.refresh(signed_in.refresh_token or "", subject="pairwise")
    assert again.person == signed_in.person
    idp.answers[GRAPH] = lambda _: (403, {})
    with pytest.raises(ProviderRefusedError) as caught:
        await one.client.refresh(again.refresh_token or "", subject="pairwise")
    assert caught.value.reason == "GroupsLeftOut"


# --- Google ---

ACCOUNT = "gateway@corp.iam.gserviceaccount.com"
ADMIN = "directory@corp.example"
SETTINGS = GoogleGroups(service_account=Value(name="google", sha256=sha256("google")), admin_email=ADMIN)


def service_account() -> str:
    pem = private_key("google").as_pem(private=True).decode()
    return json.dumps({"client_email": ACCOUNT, "private_key": pem, "token_uri": "https://evil.example/token"})


class Workspace:
    """Google's token endpoint and directory, behind the stand-in."""

    def __init__(self, idp: IdentityProvider, pages: dict[str, dict[str, Any]]) -> None:
        self.pages = pages
        """By page token."""
        self.problems: list[str] = []
        self.tokens_given = 0
        idp.answers["/token"] = self.token
        idp.answers[DIRECTORY] = self.groups

    def token(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        claims = jwt.decode(asked.form["assertion"], private_key("google"), algorithms=["RS256"]).claims
        expected = {"iss": ACCOUNT, "sub": ADMIN, "scope": google.SCOPE, "aud": google.TOKEN_URL}
        self.problems += [name for name, value in expected.items() if claims.get(name) != value]
        if not 0 < claims["exp"] - time.time() <= 3600:
            self.problems.append("exp")
        self.tokens_given += 1
        return 200, {"access_token": f"directory-{self.tokens_given}", "expires_in": 3600}

    def groups(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        if asked.headers["authorization"] != f"Bearer directory-{self.tokens_given}":
            return 401, {}
        if asked.query["userKey"] != "1042":
            return 404, {"error": {"code": 404}}
        return 200, self.pages[asked.query.get("pageToken", "")]


def page(*names: str, further: str | None = None) -> dict[str, Any]:
    listed: dict[str, Any] = {"groups": [{"id": name, "email": f"{name}@corp.example"} for name in names]}
    return listed | ({"nextPageToken": further} if further else {})


async def test_groups_of_the_workspace_page_by_page(idp: IdentityProvider, out: Rerouted) -> None:
    workspace = Workspace(idp, {"": page("eng", "all", further="2"), "2": page("platform")})
    directory = google.Directory(Calls(out), SETTINGS, service_account())
    found = ["eng@corp.example", "all@corp.example", "platform@corp.example"]
    assert await directory.groups("1042") == found
    assert await directory.groups("1042") == found
    assert workspace.problems == []
    assert workspace.tokens_given == 1
    assert {url.partition("?")[0] for url in out.asked_for} == {google.TOKEN_URL, google.GROUPS_URL}


async def test_an_old_access_token_is_not_used_on(idp: IdentityProvider, out: Rerouted) -> None:
    workspace, clock = Workspace(idp, {"": page("eng")}), Clock()
    directory = google.Directory(Calls(out), SETTINGS, service_account(), now=clock)
    await directory.groups("1042")
    clock.ahead = 3590
    await directory.groups("1042")
    assert workspace.tokens_given == 2


async def test_somebody_of_another_organization_is_refused(idp: IdentityProvider, out: Rerouted) -> None:
    Workspace(idp, {})
    with pytest.raises(SignInRefusedError) as caught:
        await google.Directory(Calls(out), SETTINGS, service_account()).groups("7")
    assert caught.value.reason == "NotInDirectory"
    assert caught.value.sentence.endswith("Sign in with your work account.")


async def test_a_list_without_an_end_is_refused(idp: IdentityProvider, out: Rerouted) -> None:
    Workspace(idp, {"": page("eng"), "on": page(*(f"g{number}" for number in range(4000)), further="on")})
    idp.answers[DIRECTORY] = lambda _: (200, page(*(f"g{number}" for number in range(4000)), further="on"))
    with pytest.raises(SignInRefusedError, match="10000"):
        await google.Directory(Calls(out), SETTINGS, service_account()).groups("1042")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/token", 400, {"error": "unauthorized_client"}),
        ("/token", 200, {"expires_in": 3600}),
        ("/token", 503, {}),
        (DIRECTORY, 403, {"error": {"message": "Not Authorized to access this resource/api"}}),
        (DIRECTORY, 503, {}),
        (DIRECTORY, 200, {"groups": [{"email": ["x"]}]}),
    ],
)
async def test_a_directory_that_does_not_answer(
    idp: IdentityProvider, out: Rerouted, path: str, status: int, body: dict[str, Any]
) -> None:
    Workspace(idp, {"": page("eng")})
    idp.answers[path] = lambda _: (status, body)
    with pytest.raises(ProviderUnavailableError):
        await google.Directory(Calls(out), SETTINGS, service_account()).groups("1042")


@pytest.mark.parametrize("key", ["", "{}", "[]", "text", '{"client_email": "x", "private_key": "no key"}'])
async def test_a_key_that_is_none_is_told_at_the_load(out: Rerouted, key: str) -> None:
    with pytest.raises(ValueError, match="service account's key"):
        google.Directory(Calls(out), SETTINGS, key)


async def test_a_sign_in_with_groups_of_the_workspace(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.claims |= {"sub": "1042", "groups": ["claimed-by-the-token"]}
    tokens: Callable[[Asked], Any] = idp._token
    workspace = Workspace(idp, {"": page("eng")})
    idp.answers["/token"] = lambda asked: workspace.token(asked) if "assertion" in asked.form else tokens(asked)
    one = developer(google_groups=SETTINGS, google_key=service_account(), allowed_groups=("eng@corp.example",))
    assert (await one.come_back()).person.groups == ("eng@corp.example",)


async def test_google_gives_refresh_tokens_in_its_own_way(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer(issuer=google.ISSUER, extra_auth_params={"hd": "corp.example"})
    idp.discovery |= {"issuer": google.ISSUER, "scopes_supported": ["openid", "email", "profile"]}
    url = await one.url()
    for part in ("access_type=offline", "prompt=consent", "hd=corp.example", "scope=openid+profile+email&"):
        assert part in url
