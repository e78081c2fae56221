"""What a request to the API server may end in, apart from an answer.

A message names the request, never a body: nothing of a Secret can be in it.
"""

from typing import Any


class KubeError(Exception):
    """The API server refused a request, or was not reached.

    `status` is the HTTP status, 0 without an answer; `reason` the server's CamelCase word for it, which may be empty;
    `retry_after` the seconds that the server asked to wait, if it did; `name` the object that a refusal speaks of.
    """

    def __init__(
        self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None, name: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        self.name = name


class NotFoundError(KubeError):
    """404: of the object where `name` is set; otherwise the server does not know the path, such as a missing CRD's."""


class ConflictError(KubeError):
    """409: the object has changed since it was read, or another uid was expected."""


class AlreadyExistsError(KubeError):
    """409: an object of that name is there already."""


class UnauthorizedError(KubeError):
    """401, also with credentials that were read anew."""


class ForbiddenError(KubeError):
    """403: RBAC, admission or a quota."""


class GoneError(KubeError):
    """410: the resource version or continue token is too old."""


class InvalidError(KubeError):
    """The object breaks its schema or a rule; the message has the fields. Admission may say 400 or 413 too."""


class UnavailableError(KubeError):
    """No usable answer: connection refused or lost, time-out, 5xx, no valid JSON, or 429 for longer than we retry.

    A write may have happened or not.
    """


_UNTYPED = "failed to create typed patch object"
"""How server-side apply refuses an unknown field or a list key that stands twice: with a 500, though the manifest is at
fault."""

_BY_STATUS: dict[int, type[KubeError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: InvalidError,
    422: InvalidError,
    429: UnavailableError,
}


def refusal(request: str, status: int, body: Any, *, retry_after: float | None = None) -> KubeError:
    """The error for a refused request. `request` is its method and path; `body` the parsed answer, or its text."""
    reason = name = ""
    if isinstance(body, dict) and body.get("kind") == "Status":
        reason = str(body.get("reason") or "")
        message = str(body.get("message") or reason)
        details = body.get("details")
        name = str(details.get("name") or "") if isinstance(details, dict) else ""
    else:  # not the API server's own way to speak: a proxy's page is cut to its beginning
        message = " ".join(str(body).split())[:200]
    kind = UnavailableError if status >= 500 else _BY_STATUS.get(status, KubeError)
    if status == 500 and _UNTYPED in message:
        kind = InvalidError
    if status == 409 and reason == "AlreadyExists":
        kind = AlreadyExistsError
    return kind(f"{request}: {status}: {message}", status=status, reason=reason, retry_after=retry_after, name=name)
