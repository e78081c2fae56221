"""`images/build`: which builder and base are taken, what reaches the build, what is left behind."""

import os

import pytest
from tests.images.builder_programs import Machine

BASE = "registry.corp.example/python:3.13-slim"


def test_both_images_are_built_on_the_base_and_archived(machine: Machine) -> None:
    machine.has("localhost/base")
    names = ("claude-gateway-operator", "claude-gateway-proxy")
    done = machine.build(*names, BASE="localhost/base", TAG="0.1.0", REGISTRY="registry.corp.example/claude")
    assert done.returncode == 0, done.stderr
    builds = machine.calls("buildah build")
    for name, call in zip(names, builds, strict=True):
        assert f"--tag registry.corp.example/claude/{name}:0.1.0" in call
        assert "--build-arg BASE=localhost/base" in call
    assert {path.name for path in machine.archives.iterdir()} == {f"{name}.tar" for name in names}


def test_nothing_changed_writes_no_archive_again(machine: Machine) -> None:
    machine.has("localhost/base")
    assert machine.build(BASE="localhost/base").returncode == 0
    machine.calls()
    assert machine.build(BASE="localhost/base").returncode == 0
    assert machine.calls("buildah push") == []
    machine.image("another")
    assert machine.build(BASE="localhost/base").returncode == 0
    assert len(machine.calls("buildah push")) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap wants root")
def test_where_no_registry_answers_a_debian_base_is_made_once(machine: Machine) -> None:
    done = machine.build()
    assert done.returncode == 0, done.stderr
    assert "taking a Debian base" in done.stderr
    assert len(machine.calls("debootstrap")) == 1
    assert machine.build().returncode == 0
    assert machine.build(BASE="debian").returncode == 0
    assert machine.calls("debootstrap", "buildah commit") == []


def test_a_base_that_was_named_is_never_another_one(machine: Machine) -> None:
    done = machine.build(BASE=BASE)
    assert done.returncode == 1
    assert "no such host" in done.stderr
    assert "BASE=debian" in done.stderr
    assert machine.calls("buildah build", "debootstrap") == []


def test_a_failed_build_says_what_the_builder_said(machine: Machine) -> None:
    machine.has("localhost/base")
    machine.say("broken")
    done = machine.build(BASE="localhost/base")
    assert done.returncode == 1
    assert "pip says no" in done.stderr
    assert not list(machine.archives.iterdir())


def test_a_mirror_and_certificates_reach_the_build_off_the_command_line(machine: Machine) -> None:
    machine.has("localhost/base")
    certificates = machine.folder / "ca.crt"
    certificates.touch()
    mirror = "https://user:canary@mirror.example/simple"
    done = machine.build(BASE="localhost/base", PIP_INDEX_URL=mirror, PIP_CERT=str(certificates))
    assert done.returncode == 0, done.stderr
    calls = machine.calls()
    assert "index given" in calls
    assert any(f"--secret id=ca.crt,src={certificates}" in call for call in calls)
    assert "canary" not in "\n".join(calls) + done.stdout + done.stderr


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("docker", "IMAGE_BUILDER=docker cannot be used: its daemon does not answer"),
        ("podman", "IMAGE_BUILDER=podman: it is docker or buildah"),
        ("", "nothing to build images with"),
    ],
)
def test_a_builder_that_is_not_there_is_named(machine: Machine, asked: str, said: str) -> None:
    machine.say("no-buildah")
    done = machine.build(IMAGE_BUILDER=asked)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
