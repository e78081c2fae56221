"""What both providers on AWS hold against a request's credential."""

from dataclasses import dataclass, field

from tests.standins.requests_seen import Received
from tests.standins.sigv4 import Keys, problems_of_signature

ACCESS_KEY_ID = "AKIASTANDINCANARY0001"
SECRET_ACCESS_KEY = "aws-secret-canary-9d2e41c07b"
HEADERS = r"x-amz-(date|security-token|content-sha256)"


@dataclass
class Credentials:
    """What a stand-in takes: requests signed with one of `keys`, or one of the header lines in `plain`."""

    region: str
    service: str
    keys: dict[str, Keys] = field(default_factory=lambda: {ACCESS_KEY_ID: Keys(SECRET_ACCESS_KEY)})
    plain: list[tuple[str, str]] = field(default_factory=list)

    def problems(self, request: Received) -> list[str]:
        sent = [(name, value) for name in ("authorization", "x-api-key") for value in request.all(name)]
        if len(sent) != 1 or sent[0][1].startswith("AWS4-HMAC-SHA256 "):
            return problems_of_signature(
                method=request.method,
                target=request.target,
                headers=request.headers,
                body=request.body,
                keys=self.keys,
                region=self.region,
                service=self.service,
            )
        return [] if sent[0] in self.plain else [f"credential headers {sent!r}"]
