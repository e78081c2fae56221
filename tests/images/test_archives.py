"""Reading image archives: what an image holds, and what it adds to its base."""

import gzip
from pathlib import Path

from tests.standins.archives import layer, write_archive

from images.archives import Archive, identity_of


def test_the_layers_above_the_base_are_measured_unpacked(tmp_path: Path) -> None:
    base, ours = layer({"usr/bin/python3": b"x" * 5000}), layer({"opt/app": b"y" * 70_000})
    write_archive(tmp_path / "base.tar", name="base", layers=[base])
    write_archive(tmp_path / "image.tar", name="image", layers=[base, ours])
    found = Archive(tmp_path / "image.tar").above(Archive(tmp_path / "base.tar").diff_ids)
    assert [one.size for one in found] == [len(ours)]


def test_a_packed_layer_counts_with_its_unpacked_size(tmp_path: Path) -> None:
    ours = layer({"opt/app": b"y" * 70_000})
    write_archive(tmp_path / "image.tar", name="image", layers=[gzip.compress(ours)])
    assert [one.size for one in Archive(tmp_path / "image.tar").above([])] == [len(ours)]


def test_files_are_those_of_the_uppermost_layer_without_the_deleted(tmp_path: Path) -> None:
    lower = layer({"app/kept": b"1", "app/gone": b"2", "app/folder/below": b"3"})
    upper = layer({"app/.wh.gone": b"", "app/.wh.folder": b"", "app/kept": b"four"})
    write_archive(tmp_path / "image.tar", name="image", layers=[lower, upper])
    files = Archive(tmp_path / "image.tar").files
    assert {path: member.size for path, member in files.items()} == {"app/kept": 4}


def test_an_unpacked_archive_has_what_the_uppermost_layer_says(tmp_path: Path) -> None:
    lower = layer({"app/kept": b"1", "app/gone": b"2", "app/folder/below": b"3"})
    upper = layer({"app/.wh.gone": b"", "app/.wh.folder": b"", "app/kept": b"four", "app/new": b"5"})
    write_archive(tmp_path / "image.tar", name="image", layers=[gzip.compress(lower), upper])
    root = tmp_path / "root"
    Archive(tmp_path / "image.tar").unpack(root)
    assert {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()} == {
        "kept": b"four",
        "new": b"5",
    }


def test_a_broken_archive_has_no_identity(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    assert identity_of(path) is None
    path.write_bytes(b"half of a tar")
    assert identity_of(path) is None
    assert identity_of(path) != write_archive(path, name="image")
    assert identity_of(path) is not None
