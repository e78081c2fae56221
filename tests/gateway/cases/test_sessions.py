"""How a client keeps its way in and learns its policy (gateway cases 23 and 24)."""

from concurrent.futures import ThreadPoolExecutor

from tests.gateway.cases.clients import Client
from tests.gateway.cases.gateways import EVERYTHING, CaseGateway
from tests.standins.manifests import policy
from tests.standins.providers import Provider
from tests.standins.sign_in import tokens_of

SETTINGS = "/managed/settings"
PROCESSES = 12


def test_case_23_processes_that_renew_one_sign_in_at_once_all_stay_signed_in(stage: CaseGateway) -> None:
    tokens = stage.sign_in()
    with ThreadPoolExecutor(PROCESSES) as threads:
        answers = list(threads.map(lambda number: stage.refresh(tokens.refresh, pod=number % 2), range(PROCESSES)))
    renewed = [tokens_of(answer) for answer in answers]
    assert len({each.refresh for each in renewed}) == 1, "all have the one that is good from now on"
    assert all(stage.models(each.access, pod=number % 2).status == 200 for number, each in enumerate(renewed))
    assert tokens_of(stage.refresh(renewed[0].refresh)).refresh != renewed[0].refresh


def test_case_23_invalid_grant_is_for_what_was_revoked(stage: CaseGateway) -> None:
    tokens = stage.sign_in()
    renewed = tokens_of(stage.refresh(tokens.refresh))
    assert stage.post("/oauth/revoke", {"token": renewed.refresh}).status == 200
    answer = stage.refresh(renewed.refresh)
    assert (answer.status, answer.json()["error"]) == (401, "invalid_grant")


def test_case_23_sessions_at_once_with_one_credential_are_all_answered(client: Client, provider: Provider) -> None:
    """A key, unlike a refresh token, is no one's alone; and a session token serves all processes of its machine."""
    with ThreadPoolExecutor(PROCESSES) as threads:
        statuses = list(threads.map(lambda _: client.ask().status, range(PROCESSES)))
    assert statuses == [200] * PROCESSES


def test_case_24_no_policy_is_404_and_an_empty_one_is_not(
    client: Client, provider: Provider, stage: CaseGateway
) -> None:
    answer = client.get(SETTINGS)
    assert (answer.status, answer.error[0]) == (404, "not_found_error")
    empty = policy("engineers", matches=[{"groups": ["engineering"]}], settings={})
    stage.use(provider, policies=[empty])
    answer = client.get(SETTINGS)
    assert (answer.status, answer.json()["settings"]) == (200, {})
    stage.use(provider, policies=EVERYTHING)
    assert client.get(SETTINGS).status == 404


def test_case_24_304_is_for_whoever_has_the_document(client: Client, provider: Provider, stage: CaseGateway) -> None:
    settings = {"permissions": {"deny": ["WebFetch"]}}
    stage.use(provider, policies=[policy("engineers", matches=[{"groups": ["engineering"]}], settings=settings)])
    bearer = ("authorization", f"Bearer {client.bearer}")
    first = client.get(SETTINGS)
    assert (first.status, first.json()["settings"]) == (200, settings)
    known = f'"{first.json()["checksum"]}"'
    again = client.get(SETTINGS, headers=[bearer, ("if-none-match", known)])
    assert (again.status, again.body) == (304, b"")
    for other in ("*", '"sha256:0"', ""):
        assert client.get(SETTINGS, headers=[bearer, ("if-none-match", other)]).json() == first.json()
