"""How build.py finds, builds and keeps programs, with a fake `go`; what conftest.py makes of missing ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest
from tests.cluster import build

FAKE_GO = """#!/bin/sh
echo "$*" >> "{calls}"
case "$1" in
env) {env} ;;
build)
    while [ "$1" != -o ]; do shift; done
    {build} ;;
esac
"""
WRITES = 'printf "#!/bin/sh\\n" > "$2"; chmod +x "$2"'
PROBE = "from tests.cluster import build; print(build.programs(['etcd'])['etcd'])"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("EDGED_KUBE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _install_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, env: str = "echo go1.26.0", build: str = WRITES
) -> Path:
    """Puts a fake `go` in front of PATH; gives the file that lists its calls."""
    (folder / "bin").mkdir()
    go = folder / "bin" / "go"
    calls = folder / "calls"
    calls.touch()
    go.write_text(FAKE_GO.format(calls=calls, env=env, build=build))
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    return calls


def test_a_program_is_built_once(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _install_go(tmp_path, monkeypatch)
    assert build.available(["etcd"])
    assert build.programs(["etcd"]) == {"etcd": cache / "etcd"}
    assert build.programs(["etcd"]) == {"etcd": cache / "etcd"}
    assert len([line for line in calls.read_text().splitlines() if line.startswith("build")]) == 1
    assert sorted(path.name for path in cache.iterdir()) == [".lock", "etcd", "etcd.recipe"]


def test_the_version_is_stamped_in(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _install_go(tmp_path, monkeypatch)
    build.programs(["kube-apiserver"])
    assert f"-X k8s.io/component-base/version.gitVersion=v{build.VERSION}" in calls.read_text()


def test_another_recipe_builds_again(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _install_go(tmp_path, monkeypatch)
    build.programs(["etcd"])
    (cache / "etcd.recipe").write_text("that of an older checkout")
    build.programs(["etcd"])
    assert calls.read_text().count("build ") == 2


def test_a_failing_build_leaves_nothing_and_says_why(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install_go(tmp_path, monkeypatch, build='echo half > "$2"; echo no such module >&2; exit 1')
    with pytest.raises(build.BuildError, match=r"go build \./etcd failed:\nno such module"):
        build.programs(["etcd"])
    assert [path.name for path in cache.iterdir()] == [".lock"]


def test_two_processes_build_once(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _install_go(tmp_path, monkeypatch, build=f"sleep 0.3; {WRITES}")
    both = [
        subprocess.Popen([sys.executable, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert {one.communicate()[0].decode().strip() for one in both} == {str(cache / "etcd")}
    assert calls.read_text().count("build ") == 1


def test_ready_programs_are_used_instead(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = _install_go(tmp_path, monkeypatch)
    given = tmp_path / "assets"
    given.mkdir()
    (given / "etcd").write_text("#!/bin/sh\n")
    (given / "etcd").chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(given))
    assert build.programs(["etcd", "kubectl"]) == {"etcd": given / "etcd", "kubectl": cache / "kubectl"}
    assert calls.read_text().count("build ") == 1


def test_without_go_the_reason_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "go_program", lambda: None)
    possible = build.available(["etcd"])
    assert not possible
    assert possible.reason.startswith("etcd not built, and there is no Go")


def test_an_unfit_go_is_a_reason(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install_go(tmp_path, monkeypatch, env="echo requires go 1.26.0 >&2; exit 1")
    assert build.available(["etcd"]).reason == "etcd not built, and Go is unfit: requires go 1.26.0"


def test_missing_programs_fail_a_test_that_was_asked_for(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "available", lambda names: build.Availability("no Go"))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Go"):
        conftest._require(pytestconfig, ("missing-1",))
    monkeypatch.delenv("CI")
    monkeypatch.setenv("EDGED_TESTS", "kube")
    with pytest.raises(pytest.fail.Exception, match="no Go"):
        conftest._require(pytestconfig, ("missing-2",))


def test_nobody_looks_for_programs_that_were_not_asked_for(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("EDGED_TESTS", raising=False)
    monkeypatch.setattr(build, "available", lambda names: pytest.fail("asked"))
    with pytest.raises(pytest.skip.Exception, match="left out"):
        conftest._require(pytestconfig, ("missing-3",))
