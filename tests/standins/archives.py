"""Small image archives, made by hand."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def layer(files: Mapping[str, bytes]) -> bytes:
    """The tar of one layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            _add(tar, path, content)
    return buffer.getvalue()


def write_archive(path: Path, *, name: str, layers: Sequence[bytes] = (), **config: Any) -> str:
    """Writes an OCI archive of an image with these layers; the digest of its configuration."""
    blobs: dict[str, bytes] = {}

    def blob(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"digest": f"sha256:{digest}", "size": len(content)}

    described = [blob(content) for content in layers]
    diff_ids = [one["digest"] for one in described]
    configuration = blob(json.dumps({"config": config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode())
    manifest = blob(json.dumps({"schemaVersion": 2, "config": configuration, "layers": described}).encode())
    named = manifest | {"annotations": {"org.opencontainers.image.ref.name": name}}
    with tarfile.open(path, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [named]}).encode())
        for digest, content in blobs.items():
            _add(tar, f"blobs/sha256/{digest}", content)
    return str(configuration["digest"]).removeprefix("sha256:")


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
