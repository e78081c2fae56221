"""Reading and writing objects of the API server, as plain dictionaries.

Strict: what is returned is what the server holds. A list is complete or an error, and an object is missing only when
the server says so in its own words. managedFields are dropped from whatever is read, for they are half of an object.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from gateway_operator import names
from gateway_operator.kube.connection import Access
from gateway_operator.kube.errors import ConflictError, GoneError, NotFoundError, UnavailableError
from gateway_operator.kube.resources import ResourceKind, kind_of
from gateway_operator.kube.transport import JSON, REQUEST_SECONDS, RETRY_SECONDS, Repeat, Transport

Object: TypeAlias = dict[str, Any]
Objects: TypeAlias = list[Object]  # inside the classes below, `list` is a method
Kept = TypeVar("Kept")

PAGE: Final = 500
_KEPT_PAGE: Final = 100
"""Of lists that are so long that not even a page of them should be much memory: about 50 kB for each object."""
_ATTEMPTS_AT_A_LIST: Final = 3
_DISCOVERY_SECONDS: Final = 60.0
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA_OBJECT: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML
_MERGE: Final = "application/merge-patch+json"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class Listing(NamedTuple, Generic[Kept]):
    """A complete list, and the resource version from which a watch goes on."""

    items: list[Kept]
    resource_version: str


class Reader(Protocol):
    """What reads objects: the client, or something that shares its lists."""

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Object | None: ...

    async def list(
        self,
        kind: ResourceKind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Objects: ...


class Lister(Reader, Protocol):
    """A reader of long lists, which need not be held as objects all at once."""

    async def kept(
        self,
        kind: ResourceKind,
        namespace: str | None = None,
        *,
        keep: Callable[[Object], Kept],
        labels: str = "",
        metadata_only: bool = False,
    ) -> Sequence[Kept]: ...


class KubeClient:
    """One session for the whole process. Every method raises `KubeError`s; `UnavailableError` after bounded retries.

    Reads are repeated after 429, 5xx and lost connections, writes that may happen twice after 429 and lost connections,
    a creation only where it has certainly not happened; all for at most `retry_seconds`.
    """

    def __init__(
        self, access: Access, *, retry_seconds: float = RETRY_SECONDS, request_seconds: float = REQUEST_SECONDS
    ) -> None:
        self._transport = Transport(access, retry_seconds=retry_seconds, request_seconds=request_seconds)
        self._served: dict[ResourceKind, tuple[float, bool]] = {}

    @property
    def access(self) -> Access:
        return self._transport.access

    @property
    def namespace(self) -> str:
        """That of our own pod, or of the kubeconfig's context."""
        return self.access.namespace

    async def __aenter__(self) -> "KubeClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    async def get(
        self, kind: ResourceKind, namespace: str | None, name: str, *, managed_fields: bool = False
    ) -> Object | None:
        """None where the server says that there is no such object. `NotFoundError`: it does not serve the kind."""
        path = kind.path(namespace, name)
        try:
            body = await self._transport.request("GET", path, repeat=Repeat.READ)
        except NotFoundError as error:
            if error.name == name:
                return None
            raise
        return _object(kind, body, f"GET {path}", managed_fields=managed_fields)

    async def list(
        self,
        kind: ResourceKind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Objects:
        """Every object that matches, of one namespace or of all. With `metadata_only` an item is apiVersion, kind and
        metadata, without kubectl's copy of the object in an annotation.
        """
        listing = await self.listing(kind, namespace, labels=labels, fields=fields, metadata_only=metadata_only)
        return listing.items

    async def kept(
        self,
        kind: ResourceKind,
        namespace: str | None = None,
        *,
        keep: Callable[[Object], Kept],
        labels: str = "",
        metadata_only: bool = False,
    ) -> Sequence[Kept]:
        """As `list`, but of each object what `keep` makes of it: no more than a page is held as objects at any time,
        which take ten times as much memory as their JSON.
        """
        query = _selectors(labels, "")
        query["limit"] = str(_KEPT_PAGE)
        return (await self._whole(kind, namespace, query, metadata_only=metadata_only, keep=keep)).items

    async def listing(
        self,
        kind: ResourceKind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Listing[Object]:
        """As `list`."""
        query = _selectors(labels, fields)
        return await self._whole(kind, namespace, query, metadata_only=metadata_only, keep=lambda item: item)

    async def _whole(
        self,
        kind: ResourceKind,
        namespace: str | None,
        query: Mapping[str, str],
        *,
        metadata_only: bool,
        keep: Callable[[Object], Kept],
    ) -> Listing[Kept]:
        """Pages of a snapshot that the server has dropped meanwhile are thrown away, and read anew."""
        attempt = 1
        while True:
            try:
                return await self._pages(kind, namespace, query, metadata_only=metadata_only, keep=keep)
            except GoneError as error:
                if attempt == _ATTEMPTS_AT_A_LIST:
                    raise UnavailableError(f"{error} ({attempt} times)", status=410, reason=error.reason) from error
                attempt += 1

    async def _pages(
        self,
        kind: ResourceKind,
        namespace: str | None,
        query: Mapping[str, str],
        *,
        metadata_only: bool,
        keep: Callable[[Object], Kept],
    ) -> Listing[Kept]:
        path = kind.path(namespace)
        items: list[Kept] = []
        page = {"limit": str(PAGE), **query}
        while True:
            body = await self._transport.request(
                "GET", path, query=page, accept=_METADATA_LIST if metadata_only else JSON, repeat=Repeat.READ
            )
            found, version, following = _page(body, kind, f"GET {path}", metadata_only=metadata_only)
            items += [keep(shaped(item, kind, metadata_only=metadata_only)) for item in found]
            del body, found  # else two pages are held while the next one comes
            if not following:
                return Listing(items, version)
            if following == page.get("continue"):
                raise UnavailableError(f"GET {path}: the same page again and again", reason="BadAnswer")
            page["continue"] = following

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        """Raises `AlreadyExistsError`. After an `UnavailableError` it may exist all the same: look first."""
        kind = kind_of(manifest)
        path = kind.path(_metadata(manifest).get("namespace"))
        query = {"fieldManager": names.MANAGER}
        body = await self._transport.request("POST", path, query=query, body=manifest, repeat=Repeat.UNSENT)
        return _object(kind, body, f"POST {path}")

    async def replace(self, manifest: Mapping[str, Any]) -> Object:
        """The whole object, in place of the one with the manifest's resourceVersion. Raises `ConflictError` where that
        is no longer the stored one; also when a lost answer made us send an accepted change again.
        """
        kind, metadata = kind_of(manifest), _metadata(manifest)
        if not metadata.get("resourceVersion"):
            raise ValueError(f"{kind.kind} {metadata.get('name')}: metadata.resourceVersion is needed to replace it")
        path = kind.path(metadata.get("namespace"), metadata["name"])
        query = {"fieldManager": names.MANAGER}
        body = await self._transport.request("PUT", path, query=query, body=manifest, repeat=Repeat.IDEMPOTENT)
        return _object(kind, body, f"PUT {path}")

    async def apply(
        self,
        manifest: Mapping[str, Any],
        *,
        subresource: str = "",
        field_manager: str = names.MANAGER,
        force: bool = True,
    ) -> Object:
        """Server-side apply that takes over others' fields, or without `force` raises `ConflictError` where they hold
        another value. Makes an object that is missing, but with a metadata.uid in the manifest `ConflictError` instead;
        a missing one's subresource is `NotFoundError`.
        """
        kind, metadata = kind_of(manifest), _metadata(manifest)
        path = kind.path(metadata.get("namespace"), metadata["name"], subresource)
        query = {"fieldManager": field_manager, "force": "true" if force else "false"}
        body = await self._transport.request(
            "PATCH", path, query=query, body=manifest, content_type=_APPLY, repeat=Repeat.IDEMPOTENT
        )
        return _object(kind, body, f"PATCH {path}")

    async def merge_patch(
        self, kind: ResourceKind, namespace: str | None, name: str, patch: Mapping[str, Any], *, subresource: str = ""
    ) -> Object:
        """A JSON merge patch: None removes a field. Raises `NotFoundError`, and `ConflictError` where the patch names a
        resourceVersion or uid that is not the stored one.
        """
        path = kind.path(namespace, name, subresource)
        query = {"fieldManager": names.MANAGER}
        body = await self._transport.request(
            "PATCH", path, query=query, body=patch, content_type=_MERGE, repeat=Repeat.IDEMPOTENT
        )
        return _object(kind, body, f"PATCH {path}")

    async def delete(
        self,
        kind: ResourceKind,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        propagation: str = "Background",
    ) -> bool:
        """False: it was not there; with `uid` also when the object of that name is another one."""
        path = kind.path(namespace, name)
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self._transport.request("DELETE", path, body=options, repeat=Repeat.IDEMPOTENT)
        except NotFoundError as error:
            if error.name == name:
                return False
            raise
        except ConflictError:
            there = await self.get(kind, namespace, name) if uid else None
            if uid and (there is None or there["metadata"].get("uid") != uid):
                return False
            raise
        return True

    async def serves(self, kind: ResourceKind) -> bool:
        """Whether the API server has this kind, such as that of a CRD; an answer is remembered for a minute."""
        asked, served = self._served.get(kind, (float("-inf"), False))
        if time.monotonic() - asked < _DISCOVERY_SECONDS:
            return served
        try:
            body = await self._transport.request("GET", kind.group_path, repeat=Repeat.READ)
        except NotFoundError:
            body = {"resources": []}
        resources = body.get("resources") if isinstance(body, dict) else None
        if not isinstance(resources, list):
            raise UnavailableError(f"GET {kind.group_path}: not a list of kinds", reason="BadAnswer")
        served = any(item.get("name") == kind.plural and item.get("kind") == kind.kind for item in resources)
        self._served[kind] = (time.monotonic(), served)
        return served

    async def raw_get(self, path: str) -> Any:
        """The JSON at a path such as `/version`, or the text of an answer that is none."""
        return await self._transport.request("GET", path, repeat=Repeat.READ)

    async def watch(
        self,
        kind: ResourceKind,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
        server_seconds: int,
        margin: float = 15.0,
    ) -> AsyncGenerator[Object]:
        """The raw events of one watch request, bookmarks and errors too. `watching.Watch` is what others want.

        The server ends it after `server_seconds`; a stream that is open `margin` seconds later is given up.
        """
        query = {
            **_selectors(labels, fields),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(server_seconds),
        }
        accept = _METADATA_OBJECT if metadata_only else JSON
        path = kind.path(namespace)
        events = self._transport.lines(path, query=query, accept=accept, seconds=server_seconds + margin)
        try:
            async for event in events:
                if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
                    raise UnavailableError(f"GET {path}: not an event", reason="BadAnswer")
                yield event
        finally:
            await events.aclose()


def shaped(item: Object, kind: ResourceKind, *, metadata_only: bool = False, managed_fields: bool = False) -> Object:
    """An object as all of this package returns it: with apiVersion and kind of its own, and without managedFields."""
    metadata = item["metadata"]
    if not managed_fields:
        metadata.pop("managedFields", None)
    if not metadata_only:
        item["apiVersion"], item["kind"] = kind.api_version, kind.kind
        return item
    if annotations := metadata.get("annotations"):
        annotations.pop(_LAST_APPLIED, None)  # of a Secret, it holds the data
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def _object(kind: ResourceKind, body: Any, request: str, *, managed_fields: bool = False) -> Object:
    """The body as an object of its kind; the answer of a subresource is the object itself for those that we use."""
    if not isinstance(body, dict) or body.get("kind") != kind.kind or not isinstance(body.get("metadata"), dict):
        raise UnavailableError(f"{request}: the answer is no {kind.kind}", reason="BadAnswer")
    return shaped(body, kind, managed_fields=managed_fields)


def _page(body: Any, kind: ResourceKind, request: str, *, metadata_only: bool) -> tuple[Objects, str, str]:
    """Items, resource version and continue token of a list; whatever is not certainly a list is an error."""
    expected = "PartialObjectMetadataList" if metadata_only else f"{kind.kind}List"
    if isinstance(body, dict) and body.get("kind") == expected and isinstance(metadata := body.get("metadata"), dict):
        items = body.get("items", ())
        items = [] if items is None else items  # how the server says that there are none
        version = metadata.get("resourceVersion")
        if (
            isinstance(items, list)
            and isinstance(version, str)
            and version
            and all(isinstance(item, dict) and isinstance(item.get("metadata"), dict) for item in items)
        ):
            return items, version, metadata.get("continue") or ""
    raise UnavailableError(f"{request}: the answer is no {expected}", reason="BadAnswer")


def _metadata(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata: Mapping[str, Any] = manifest["metadata"]
    return metadata


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {
        **({"labelSelector": labels} if labels else {}),
        **({"fieldSelector": fields} if fields else {}),
    }
