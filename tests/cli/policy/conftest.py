"""The command line as a fixture; compiled modules are shared by all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.policy.support import Policy, runner


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def policy(
    capsys: pytest.CaptureFixture[str], compiled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Policy:
    """`policy("run", "-r", file, module)`. No kubeconfig of this machine is found."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    return runner(capsys, compiled)
