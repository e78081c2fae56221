"""AWS: the Security Token Service, the agent of EKS Pod Identity, and an instance's metadata service."""

import time
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from tests.standins.sigv4 import Keys, problems_of_signature
from tests.standins.token_endpoints.server import Asked, Reply, Service

_ASSUMED = """<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>
<AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:{session}</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/x/{session}</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
<SessionToken>{token}</SessionToken><Expiration>{expires}</Expiration></Credentials></{action}Result>
<ResponseMetadata><RequestId>6a9ba2dd</RequestId></ResponseMetadata></{action}Response>"""


def refused(status: int, code: str, message: str) -> Reply:
    """An error as STS has it."""
    return status, (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{escape(message)}</Message></Error><RequestId>6a9</RequestId></ErrorResponse>"
    ).encode()


@dataclass
class Role:
    """Who may assume it."""

    web_identity_token: str | None = None
    access_keys: tuple[str, ...] = ()
    """Access key ids."""
    external_id: str | None = None


@dataclass
class Account:
    """What AWS knows: keys by their id, and roles by their ARN."""

    keys: dict[str, Keys] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    issued: int = 0

    def issue(self, seconds: float) -> tuple[str, Keys, str]:
        """A temporary key's id, its secrets, and when it expires."""
        self.issued += 1
        key_id, keys = (
            f"ASIA{self.issued}",
            Keys(f"issued-secret-canary-{self.issued}", f"session-canary/{self.issued}=="),
        )
        self.keys[key_id] = keys
        return key_id, keys, _stamp(seconds)


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class STS(Service):
    """The Security Token Service of one region."""

    def __init__(self, account: Account, region: str = "eu-central-1", *, host: str | None = None) -> None:
        super().__init__()
        self.account, self.region = account, region
        self.host = host or f"sts.{region}.amazonaws.com"

    def serves(self, host: str, path: str) -> bool:
        return host == self.host

    def answer(self, asked: Asked) -> Reply:
        form = asked.form
        role = self.account.roles.get(form.get("RoleArn", ""))
        if not asked.tls and self.host.endswith(".amazonaws.com"):
            asked.problems.append("not by TLS")
        if (asked.method, asked.target, form.get("Version")) != ("POST", "/", "2011-06-15"):
            asked.problems.append(f"{asked.method} {asked.target} of version {form.get('Version')}")
        if form.get("Action") == "AssumeRoleWithWebIdentity":
            if asked.header("authorization") is not None:
                asked.problems.append("signed, although the token is what proves the caller")
            if role is None or form.get("WebIdentityToken") != role.web_identity_token:
                return refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        elif form.get("Action") == "AssumeRole":
            problems = problems_of_signature(
                method=asked.method,
                target=asked.target,
                headers=asked.headers,
                body=asked.body,
                keys=self.account.keys,
                region=self.region,
                service="sts",
            )
            if any(problem.startswith("unknown access key") for problem in problems):
                return refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
            if problems:
                asked.problems += problems
                return refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
            key_id = (asked.header("authorization") or "").partition("Credential=")[2].partition("/")[0]
            if role is None or form.get("ExternalId") != role.external_id or key_id not in role.access_keys:
                caller = f"User: arn:aws:iam::111122223333:user/{key_id}"
                return refused(403, "AccessDenied", f"{caller} is not authorized to perform: sts:AssumeRole")
        else:
            return refused(400, "InvalidAction", "Could not find operation")
        key_id, keys, expires = self.account.issue(self.seconds)
        return 200, _ASSUMED.format(
            action=form["Action"],
            session=form["RoleSessionName"],
            key=key_id,
            secret=keys.secret_access_key,
            token=keys.session_token,
            expires=expires,
        ).encode()


def _metadata(account: Account, seconds: float) -> dict[str, str]:
    key_id, keys, expires = account.issue(seconds)
    return {
        "AccessKeyId": key_id,
        "SecretAccessKey": keys.secret_access_key,
        "Token": keys.session_token or "",
        "Expiration": expires,
    }


class PodIdentityAgent(Service):
    """That of EKS, at /v1/credentials of the plain server."""

    def __init__(self, account: Account, token: str) -> None:
        super().__init__()
        self.account, self.token = account, token

    def serves(self, host: str, path: str) -> bool:
        return path == "/v1/credentials"

    def answer(self, asked: Asked) -> Reply:
        if asked.tls or asked.method != "GET":
            asked.problems.append(f"{asked.method} with TLS {asked.tls}")
        if asked.header("authorization") != self.token:
            return 400, b"[7d7c] Service account token cannot be parsed"
        return 200, {"AccountId": "111122223333", **_metadata(self.account, self.seconds)}


class InstanceMetadata(Service):
    """That of EC2, version 2, under /latest of the plain server."""

    ROLE = "node-role"

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account

    def serves(self, host: str, path: str) -> bool:
        return path.startswith("/latest/")

    def answer(self, asked: Asked) -> Reply:
        folder = "/latest/meta-data/iam/security-credentials/"
        if (asked.method, asked.path) == ("PUT", "/latest/api/token"):
            if asked.header("x-aws-ec2-metadata-token-ttl-seconds") is None:
                asked.problems.append("a token without a time to live")
            return 200, b"instance-token"
        if asked.header("x-aws-ec2-metadata-token") != "instance-token":
            asked.problems.append("no token of version 2")
            return 401, b""
        if asked.path == folder:
            return 200, self.ROLE.encode()
        if asked.path == folder + self.ROLE:
            return 200, {"Code": "Success", "Type": "AWS-HMAC", **_metadata(self.account, self.seconds)}
        return 404, b""
