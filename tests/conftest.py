"""Fixtures and rules for all tests: which of them need real Kubernetes programs, and where those come from.

A test marked `kube` is skipped where the programs are neither built nor buildable; where CI is set it fails.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edged.wasm.engine import Engine
from tests.cluster import build
from tests.cluster.cluster import Cluster, Sandbox


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decides about tests marked `kube` before their fixtures are made."""
    if item.get_closest_marker("kube"):
        _require(item.config, tuple(build.PACKAGES))


@pytest.fixture(autouse=True, scope="module")
def _engines_are_closed() -> Iterator[None]:
    """Each reserves a tebibyte of addresses, of which a process has 128: those that the tests of a file left open are
    closed after it."""
    made: list[Engine] = []
    original = Engine.__init__

    def noted(self: Engine, *arguments: Any, **settings: Any) -> None:
        original(self, *arguments, **settings)
        made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "__init__", noted)
        yield
    gc.collect()
    for engine in made:
        engine.close()


@pytest.fixture(scope="session")
def kube_cluster(kube_programs: dict[str, Path]) -> Iterator[Cluster]:
    """One real etcd and kube-apiserver for the whole session; use namespaces of your own in it."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kube_programs(pytestconfig: pytest.Config) -> dict[str, Path]:
    """The real programs, built first where needed: minutes, once per machine."""
    return _programs(pytestconfig, tuple(build.PACKAGES))


@pytest.fixture(scope="session")
def sandbox_server(pytestconfig: pytest.Config) -> Iterator[Sandbox]:
    """edged's own API server for the whole session, and the real kubectl for it."""
    with Sandbox(sys.executable, _kubectl(pytestconfig)) as sandbox:
        yield sandbox


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.kube)])
def api_server(request: pytest.FixtureRequest) -> Sandbox | Cluster:
    """The same test on edged's own API server and on the real one: `.kubeconfig`, `.url`, `.kubectl(...)`."""
    server: Sandbox | Cluster
    server = request.getfixturevalue("sandbox_server" if request.param == "sandbox" else "kube_cluster")
    return server


def _kubectl(config: pytest.Config) -> Path:
    """The kubectl of the pinned version where possible, else whatever is installed."""
    installed = shutil.which("kubectl")
    if not build.available(("kubectl",)) and installed:
        return Path(installed)
    _require(config, ("kubectl",))
    return _programs(config, ("kubectl",))["kubectl"]


def _require(config: pytest.Config, names: tuple[str, ...]) -> None:
    # Asked once per session and set of names: the answer can start `go env`.
    possible = config.stash.setdefault(_AVAILABLE, {})
    if names not in possible:
        possible[names] = build.available(names)
    if not possible[names]:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(possible[names].reason)


def _programs(config: pytest.Config, names: tuple[str, ...]) -> dict[str, Path]:
    with _visible(config):
        return build.programs(names)


@contextmanager
def _visible(config: pytest.Config) -> Iterator[None]:
    """Lets progress lines through: a first build takes minutes and must not look like a hang."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        yield
        return
    with capture.global_and_fixture_disabled():
        yield


_AVAILABLE = pytest.StashKey[dict[tuple[str, ...], build.Availability]]()
