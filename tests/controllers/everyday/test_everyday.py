"""The everyday controllers on the sandbox, with its RBAC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.sandbox.threaded import ThreadedSandbox
from tests.controllers.everyday import stories


@pytest.fixture
def kubeconfig() -> Iterator[Path]:
    with ThreadedSandbox(rbac=True) as sandbox:
        yield sandbox.kubeconfig


def test_cleaning_up(kubeconfig: Path) -> None:
    stories.clean_up(kubeconfig)


@pytest.mark.toolchains("rust")
@pytest.mark.timeout(900)
def test_copying(kubeconfig: Path) -> None:
    stories.copy(kubeconfig)


@pytest.mark.toolchains("go")
@pytest.mark.timeout(900)
def test_cordoning(kubeconfig: Path) -> None:
    stories.cordon(kubeconfig)
