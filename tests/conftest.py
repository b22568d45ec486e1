"""Fixtures and rules for all tests: the part each belongs to (tests/parts.py), and where Kubernetes programs come from.

A test belongs to a part by its mark: `kube`, `toolchains("go")`, `long`. It also belongs to `kube` because it is in
tests/cluster, or because it uses one of the fixtures that start a server. A run ends by saying what was left out.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from trio._core._run import GLOBAL_RUN_CONTEXT

from edged.wasm.engine import Engine
from tests import parts, toolchains
from tests.cluster import build
from tests.cluster.cluster import Cluster, Sandbox
from tests.registry import build as registry_build


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what belongs to the part `kube` without a mark of its own."""
    for item in items:
        used = KUBE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
        inside = item.path.is_relative_to(KUBE_FOLDER)
        if (used or inside) and not item.get_closest_marker("kube"):
            item.add_marker(pytest.mark.kube(programs=("kubectl",) if used else ()))
        if inside and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(KUBE_TIMEOUT_S))
        if "registry_program" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.toolchains("go"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decides about the parts before any fixture is made."""
    if mark := item.get_closest_marker("kube"):
        _require(item.config, mark.kwargs.get("programs", tuple(build.PACKAGES)))
    for part in _toolchains(item):
        parts.require(part)
        lacking = item.config.stash.setdefault(_LACKING, {})
        if part not in lacking:
            lacking[part] = toolchains.lacking(part)
        parts.require(part, lacking[part])
    if item.get_closest_marker("long"):
        parts.require("long")


def _toolchains(item: pytest.Item) -> list[str]:
    """What the test builds with, by its marks."""
    return [str(part) for mark in item.iter_markers("toolchains") for part in mark.args]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a test that was skipped with a part which its marks do not name: `make test-kube` chooses by marks."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        part = parts.skipped_part(report.longrepr[2])
        if part in parts.TOOLCHAINS and part not in _toolchains(item):
            report.outcome, report.longrepr = "failed", f'the mark toolchains("{part}") is missing'
    return report


@pytest.fixture(autouse=True, scope="session")
def _no_compiler_starts() -> Iterator[None]:
    """Without a part that builds something no test may start a compiler: `make test` needs none, and takes minutes."""
    original = subprocess.Popen.__init__

    def watched(self: subprocess.Popen[Any], command: Any, *arguments: Any, **settings: Any) -> None:
        words = [command] if isinstance(command, str | bytes | os.PathLike) else list(command)
        name = os.path.basename(os.fsdecode(words[0]))
        compiles = name in COMPILERS or words[1:3] == ["-m", "ziglang"]
        if compiles and not any(map(parts.asked_for, ("kube", *parts.TOOLCHAINS))):
            pytest.fail(f"{name} is started by a test that belongs to no part (tests/parts.py)")
        original(self, command, *arguments, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", watched)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Ends a run of trio that a timeout left, and prints where its tasks are: a timeout is raised wherever the test is,
    trio's own loop included."""
    try:
        return (yield)
    finally:
        if vars(GLOBAL_RUN_CONTEXT):
            for task in GLOBAL_RUN_CONTEXT.runner.tasks:
                frames = traceback.StackSummary.extract(task.iter_await_frames()).format()
                print(f"task {task.name}:\n{''.join(frames)}", file=sys.stderr)
            vars(GLOBAL_RUN_CONTEXT).clear()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.set_asyncgen_hooks(None, None)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leaves for .ci/run how the run ended: what failed may be tried again only if all the others were run."""
    cache = getattr(session.config, "cache", None)  # none with -p no:cacheprovider, and in a worker of xdist
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set("edged/exit-status", int(exitstatus))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Remembers what was left out; it is said when everything else has been."""
    skipped = (report.longrepr for report in terminalreporter.stats.get("skipped", ()))
    config.stash[_LEFT_OUT] = parts.left_out(reason[2] for reason in skipped if isinstance(reason, tuple))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    for line in config.stash.get(_LEFT_OUT, []):
        print(line)


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


@pytest.fixture(scope="session")
def registry_program() -> None:
    """The program of tests/registry/real.py, built first where needed; tests of it belong to the part `go`."""
    parts.require("go", registry_build.available().reason)
    registry_build.program()


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
    parts.require("kube")
    # Asked once per session and set of names: the answer can start `go env`.
    possible = config.stash.setdefault(_AVAILABLE, {})
    if names not in possible:
        possible[names] = build.available(names)
    parts.require("kube", possible[names].reason)


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


KUBE_TIMEOUT_S = 300  # servers start with the first test that needs them
KUBE_FOLDER = Path(__file__).parent / "cluster"
KUBE_FIXTURES = {"kube_cluster", "kube_programs", "sandbox_server", "api_server"}
COMPILERS = {"go", "rustc", "cargo", "zig", "npm", "tinygo"}
_LEFT_OUT = pytest.StashKey[list[str]]()
_LACKING = pytest.StashKey[dict[str, str]]()
_AVAILABLE = pytest.StashKey[dict[tuple[str, ...], build.Availability]]()


@pytest.fixture
def edged_in_path(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `edged` that the shell finds, as after `edged init`: messages then name it by this word."""
    folder = tmp_path_factory.mktemp("path")
    (folder / "edged").write_text("#!/bin/sh\n")
    (folder / "edged").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
