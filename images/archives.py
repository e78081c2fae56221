"""What an image archive holds: the OCI layout, as `buildah push` and `docker save` write it."""

import gzip
import json
import shutil
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer. `diff_id` is the digest of its unpacked bytes, `size` their number."""

    diff_id: str
    size: int


class Archive:
    """An archive of one image."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with tarfile.open(path) as tar:
            index = self._json(tar, "index.json")
            self.names: list[str] = [
                entry["annotations"].get("io.containerd.image.name")
                or entry["annotations"]["org.opencontainers.image.ref.name"]
                for entry in index["manifests"]
                if "annotations" in entry
            ]
            manifest = self._json(tar, _blob(index["manifests"][0]["digest"]))
            self.identity = str(manifest["config"]["digest"]).removeprefix("sha256:")
            self.config: dict[str, Any] = self._json(tar, _blob(manifest["config"]["digest"]))
            self._blobs: list[str] = [_blob(layer["digest"]) for layer in manifest["layers"]]

    @property
    def diff_ids(self) -> list[str]:
        return list(self.config["rootfs"]["diff_ids"])

    def above(self, base: list[str]) -> list[Layer]:
        """The layers that this image has over those of its base."""
        with tarfile.open(self.path) as tar:
            return [
                Layer(diff_id=diff_id, size=_unpacked_size(tar, blob))
                for diff_id, blob in zip(self.diff_ids, self._blobs, strict=True)
                if diff_id not in base
            ]

    @cached_property
    def files(self) -> dict[str, tarfile.TarInfo]:
        """Every file by its path without a leading slash, as the uppermost layer has it; deleted ones are left out."""
        found: dict[str, tarfile.TarInfo] = {}
        with tarfile.open(self.path) as tar:
            for blob in self._blobs:
                with tarfile.open(fileobj=tar.extractfile(blob), mode="r:*") as layer:
                    for member in layer:
                        path = member.name.removeprefix("./").strip("/")
                        folder, _, name = path.rpartition("/")
                        if name.startswith(".wh."):
                            gone = f"{folder}/{name.removeprefix('.wh.')}".lstrip("/")
                            found = {
                                one: info
                                for one, info in found.items()
                                if one != gone and not one.startswith(f"{gone}/")
                            }
                        else:
                            found[path] = member
        return found

    def unpack(self, folder: Path) -> None:
        """Writes the root file system into the folder, without devices, and without who owns a file unless by root."""
        with tarfile.open(self.path) as tar:
            for blob in self._blobs:
                with tarfile.open(fileobj=tar.extractfile(blob), mode="r:*") as layer:
                    for member in layer:
                        path = folder / member.name
                        if path.name.startswith(".wh."):
                            _remove(path.with_name(path.name.removeprefix(".wh.")))
                        elif not member.isdev():
                            if not member.isdir():
                                _remove(path)
                            layer.extract(member, folder, filter="tar")

    @staticmethod
    def _json(tar: tarfile.TarFile, name: str) -> Any:
        file = tar.extractfile(name)
        assert file is not None, f"{name} is no file"
        return json.load(file)


def identity_of(path: Path) -> str | None:
    """The digest of the configuration of the image in the archive; None where there is no whole one."""
    try:
        return Archive(path).identity
    except (OSError, KeyError, ValueError, tarfile.TarError):
        return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _unpacked_size(tar: tarfile.TarFile, blob: str) -> int:
    file = tar.extractfile(blob)
    assert file is not None, f"{blob} is no file"
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if not packed:
        return tar.getmember(blob).size
    size = 0
    with gzip.open(file) as unpacked:
        while piece := unpacked.read(1 << 20):
            size += len(piece)
    return size
