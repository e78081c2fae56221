"""Credentials of AWS: an access key out of a Secret, or the pod's own identity; and a role assumed with either. All by
botocore; its requests to STS go the gateway's way out."""

import datetime
import json
import os
import threading
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, Final
from urllib.parse import urlsplit

from gateway_config.upstream_credentials import AWSCredential
from gateway_proxy.credentials.library import About, Web, fetched
from gateway_proxy.credentials.renewing import Fetched, Renewing
from gateway_proxy.credentials.sigv4 import FrozenAWS, preload
from gateway_proxy.credentials.values import fits_a_header, pod_token
from gateway_proxy.outbound.client import Outbound, OutboundError
from gateway_proxy.upstream.errors import CredentialError

_WHAT: Final = "the AWS credentials"
_WHAT_OF_POD: Final = f"{_WHAT} of the pod"
_SESSION_NAME: Final = "claude-gateway"
"""What CloudTrail shows where the pod's environment names no other."""
_AGENT_URL: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_INSTANCE_URL: Final = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_INSTANCE: Final = "http://169.254.169.254/"
_WAYS_OUT: Final[Mapping[str, str]] = {
    "AccessDenied": "let the role's trust policy admit this identity, with its external id and audience, and the "
    "identity's own policy allow sts:AssumeRole",
    "AccessDeniedException": "associate a role with the pod's service account that pods.eks.amazonaws.com may assume",
    "ExpiredToken": "put an access key that has not expired into the Secret",
    "ExpiredTokenException": "the pod's projected token has expired: is it still renewed by its kubelet?",
    "IDPCommunicationError": "AWS cannot read the keys of the cluster's OpenID issuer",
    "InvalidClientTokenId": "the access key does not exist or is not active: put another into the Secret",
    "InvalidIdentityToken": "make the cluster's OpenID issuer an identity provider of the account, with the audience "
    "sts.amazonaws.com",
    "RegionDisabledException": "activate STS in this region of the account",
    "ResourceNotFoundException": "associate a role with the pod's service account (EKS Pod Identity)",
    "SignatureDoesNotMatch": "secretAccessKey is not that of accessKeyID: put both anew into the Secret",
    "ValidationError": "is roleARN the ARN of an IAM role?",
}


def aws_credentials(
    credential: AWSCredential, values: Sequence[str], *, region: str, outbound: Outbound
) -> Renewing[FrozenAWS]:
    """`values`: those of `values_of`; `region`: whose STS is asked. To be called in a thread: it imports botocore."""
    preload()
    secret = values[0] if credential.access_key is not None else None
    if secret is None or credential.role_arn is not None:
        _session()
    return Renewing(partial(_fetch, credential, secret, region, outbound), what=_WHAT)


async def _fetch(credential: AWSCredential, secret: str | None, region: str, outbound: Outbound) -> Fetched[FrozenAWS]:
    """Raises CredentialError."""
    keys = _of_secret(secret) if secret is not None else None
    if keys is not None and credential.role_arn is None:
        return Fetched(keys, None)
    about = About(
        f"{_WHAT} of {credential.role_arn}" if credential.role_arn is not None else _WHAT_OF_POD,
        _WAYS_OUT,
        tuple(filter(None, keys[1:])) if keys is not None else (),
    )
    direct = _metadata_services() if keys is None else ()
    return await fetched(partial(_of_library, credential, keys, region), outbound=outbound, about=about, direct=direct)


def _of_secret(text: str) -> FrozenAWS:
    """Raises CredentialError; its text holds nothing of the secret."""
    try:
        document = json.loads(text)
        found = FrozenAWS(document["accessKeyID"], document["secretAccessKey"], document.get("sessionToken") or None)
        if not all(isinstance(value, str) and fits_a_header(value) for value in found if value is not None):
            raise ValueError("a value")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CredentialError(
            f"{_WHAT}: the Secret's value is not JSON with accessKeyID, secretAccessKey and perhaps sessionToken"
        ) from None
    return found


def _of_library(credential: AWSCredential, keys: FrozenAWS | None, region: str, web: Web) -> Fetched[FrozenAWS]:
    """In a thread. Raises what botocore raises, and CredentialError."""
    first = Fetched(keys, None) if keys is not None else _of_pod(region, web)
    if credential.role_arn is None:
        return first
    asked: dict[str, Any] = {"RoleArn": credential.role_arn, "RoleSessionName": _session_name()}
    if credential.external_id is not None:
        asked["ExternalId"] = credential.external_id
    return _of_sts(_sts(region, web, first.value).assume_role(**asked))


def _of_pod(region: str, web: Web) -> Fetched[FrozenAWS]:
    """In the order of AWS's own libraries: IRSA, EKS Pod Identity, the instance."""
    role, token_file = os.environ.get("AWS_ROLE_ARN"), os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    if role and token_file:
        return _of_sts(
            _sts(region, web, None).assume_role_with_web_identity(
                RoleArn=role, RoleSessionName=_session_name(), WebIdentityToken=pod_token(token_file, _WHAT_OF_POD)
            )
        )
    if os.environ.get(_AGENT_URL):
        return _of_agent(os.environ[_AGENT_URL], web)
    return _of_instance(web)


def _of_agent(url: str, web: Web) -> Fetched[FrozenAWS]:
    from botocore.utils import ContainerMetadataFetcher

    headers = {}
    token_file = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if token_file:
        headers["Authorization"] = pod_token(token_file, _WHAT_OF_POD)
    agent = ContainerMetadataFetcher(session=_Session(web), sleep=_no_sleep)
    return _of_metadata(agent.retrieve_full_uri(url, headers=headers))


def _of_instance(web: Web) -> Fetched[FrozenAWS]:
    from botocore.utils import InstanceMetadataFetcher

    url = os.environ.get(_INSTANCE_URL, _INSTANCE)
    instance = InstanceMetadataFetcher(base_url=url)
    instance._session = _Session(web)
    found = instance.retrieve_iam_role_credentials()
    if not found:
        raise CredentialError(
            f"{_WHAT_OF_POD}: no AWS_WEB_IDENTITY_TOKEN_FILE (IRSA), no {_AGENT_URL} (EKS Pod Identity), and the "
            f"instance's metadata service at {urlsplit(url).netloc} gives no role: give the pods' service account a "
            "role; a node's is out of pods' reach where its hop limit is 1"
        )
    return Fetched(FrozenAWS(found["access_key"], found["secret_key"], found["token"]), _expiry(found["expiry_time"]))


def _of_sts(answer: Mapping[str, Any]) -> Fetched[FrozenAWS]:
    return _of_metadata({**answer["Credentials"], "Token": answer["Credentials"]["SessionToken"]})


def _of_metadata(found: Mapping[str, Any]) -> Fetched[FrozenAWS]:
    keys = FrozenAWS(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])
    return Fetched(keys, _expiry(found["Expiration"]))


def _expiry(when: str | datetime.datetime) -> float:
    if isinstance(when, str):
        when = datetime.datetime.fromisoformat(when)
    return when.timestamp()


def _session_name() -> str:
    return os.environ.get("AWS_ROLE_SESSION_NAME") or _SESSION_NAME


def _metadata_services() -> frozenset[str]:
    """Authorities that the pod's own identity may be asked of."""
    urls = (os.environ.get(_AGENT_URL), os.environ.get(_INSTANCE_URL, _INSTANCE))
    return frozenset(urlsplit(url).netloc for url in urls if url)


_making = threading.Lock()
"""A session makes one client at a time."""


@cache
def _session() -> Any:
    """One for the process: it keeps what it has read of botocore's data, 8 MB. A first client makes it read that now:
    parsing the endpoints holds the interpreter, and with it the event loop, for 40 ms."""
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.session import Session

    session = Session()
    session.set_config_variable("sts_regional_endpoints", "regional")
    session.create_client("sts", region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    return session


def _sts(region: str, web: Web, keys: FrozenAWS | None) -> Any:
    """A client of the region's STS; without keys its requests are unsigned."""
    from botocore import UNSIGNED
    from botocore.config import Config

    retries = {"total_max_attempts": 2, "mode": "standard"}
    config = Config(retries=retries) if keys is not None else Config(retries=retries, signature_version=UNSIGNED)
    with _making:
        client = _session().create_client(
            "sts",
            region_name=region,
            config=config,
            aws_access_key_id=keys.access_key_id if keys is not None else None,
            aws_secret_access_key=keys.secret_access_key if keys is not None else None,
            aws_session_token=keys.session_token if keys is not None else None,
        )
    # botocore's own extension point: what a handler returns takes the place of its HTTP.
    client.meta.events.register("before-send.sts", _Session(web).answer)
    return client


class _Session:
    """What botocore sends requests by."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def answer(self, request: Any, **_: object) -> Any:
        return self.send(request)

    def send(self, request: Any) -> Any:
        """Raises botocore's EndpointConnectionError, which it may try again."""
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import EndpointConnectionError

        body = request.body
        try:
            answer = self._web.request(
                request.method,
                request.url,
                headers={name: _text(value) for name, value in request.headers.items()},
                body=body.encode() if isinstance(body, str) else body,
            )
        except OutboundError as error:
            raise EndpointConnectionError(endpoint_url=self._web.host) from error
        return AWSResponse(request.url, answer.status, dict(answer.headers), _Raw(answer.body))


class _Raw:
    """A body as botocore reads one."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> list[bytes]:
        return [self._body]


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _no_sleep(seconds: float) -> None:
    """Between attempts at an agent on the same machine; another fetch follows in a second."""
