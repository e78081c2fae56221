"""A machine to build images on."""

from pathlib import Path

import pytest
from tests.images.builder_programs import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)
