"""Folders and files of the daemon, each wrong in its own way."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edged import config
from edged.cli.doctor import account, paths
from edged.cli.doctor.checks import Checks, without_ownership
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.unit import Unit
from edged.config import Config
from edged.kube.config import KubernetesConfig
from edged.process.config import NodeConfig

ME = account.current()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    for name in ("state", "cache", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path


def findings(folder: Path, unit: Unit | None = None) -> dict[str, Finding]:
    node = NodeConfig(state_dir=f"{folder}/state", cache_dir=f"{folder}/cache", socket=f"{folder}/run/s")
    return {found.check: found for found in paths.findings(Config(node=node), ME, unit or Unit())}


def test_folders_as_they_should_be(folder: Path) -> None:
    assert {found.state for found in findings(folder).values()} == {OK}


def test_one_file_system_is_looked_at_once(folder: Path) -> None:
    assert [check for check in findings(folder) if check.startswith("disk")] == ["disk"]


def test_a_full_file_system_of_the_state_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a small partition under /var/lib/edged: nothing can be written there, whatever room the cache has."""
    stat, statvfs, state = os.stat, os.statvfs, folder / "state"

    def other_device(path: Path) -> os.stat_result:
        found = stat(path)
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:10])) if path == state else found

    def full(path: Path) -> os.statvfs_result:
        found = statvfs(path)
        return os.statvfs_result((*found[:4], 0 if path == state else 1 << 30, *found[5:10]))

    with monkeypatch.context() as patched:
        patched.setattr(paths.os, "stat", lambda path, **how: other_device(path) if not how else stat(path, **how))
        patched.setattr(paths.os, "statvfs", full)
        found = findings(folder)
    assert found["disk"].state == OK and found["disk of state_dir"].state == WARN
    assert "0 MiB free for certificates and stored modules" in found["disk of state_dir"].detail
    assert "[node] state_dir" in found["disk of state_dir"].remedy


def test_a_folder_that_others_may_write_is_closed_by_the_remedy(folder: Path) -> None:
    (folder / "cache").chmod(0o777)
    found = findings(folder)["[node] cache_dir"]
    assert (found.state, found.remedy) == (FAIL, f"chmod go-w {folder}/cache")
    os.system(found.remedy)
    assert findings(folder)["[node] cache_dir"].state == OK


def test_the_folder_above_may_be_the_open_one(folder: Path) -> None:
    folder.chmod(0o777)
    assert findings(folder)["[node] state_dir"].remedy == f"chmod go-w {folder}"


def test_a_link_is_named_by_where_it_leads(folder: Path) -> None:
    (folder / "cache").rename(folder / "real")
    (folder / "cache").symlink_to(folder / "real")
    assert f"{folder}/real" in findings(folder)["[node] cache_dir"].remedy


def test_a_file_in_the_place_of_a_folder(folder: Path) -> None:
    (folder / "state").rmdir()
    (folder / "state").write_text("")
    found = findings(folder)["[node] state_dir"]
    assert "is not a directory" in found.detail and found.remedy.startswith(f"rm {folder}/state && install -d -m 0700")


def test_a_folder_that_is_made_at_start_is_fine(folder: Path) -> None:
    (folder / "state").rmdir()
    assert findings(folder)["[node] state_dir"].state == OK


def test_a_folder_whose_parent_is_missing_too(tmp_path: Path) -> None:
    found = findings(tmp_path / "nowhere")
    assert found["[node] state_dir"].state == FAIL
    assert found["[node] state_dir"].remedy.endswith(f"{tmp_path}/nowhere/state")
    assert found["[node] socket"].state == WARN


def test_folders_that_systemd_makes(tmp_path: Path) -> None:
    unit = Unit(tmp_path, {"StateDirectory": ["edged"], "CacheDirectory": ["edged"], "RuntimeDirectory": ["edged-x"]})
    node = NodeConfig(state_dir="/var/lib/edged", cache_dir="/var/cache/edged", socket="/run/edged-x/s")
    found = {each.check: each for each in paths.findings(Config(node=node), ME, unit)}
    assert "systemd makes" in found["[node] socket"].detail and found["[node] socket"].state == OK


def test_a_folder_that_the_unit_does_not_open(folder: Path) -> None:
    closed = Unit(Path("/etc/systemd/system/edged.service"), {"ProtectSystem": ["strict"]})
    found = findings(folder, closed)["[node] state_dir"]
    assert (found.state, found.remedy) == (FAIL, "edged init") and "edged.service keeps the daemon from" in found.detail
    opened = Unit(closed.path, {"ProtectSystem": ["strict"], "ReadWritePaths": [str(folder)]})
    assert findings(folder, opened)["[node] state_dir"].state == OK


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads everything, so it has to become another user")
def test_all_checks_as_another_user_behind_a_closed_folder(folder: Path) -> None:
    """Files that cannot even be looked for are findings, not errors of the doctor."""
    (folder / "state" / "tls").mkdir()
    text = (
        f'[node]\nstate_dir = "{folder}/state"\ncache_dir = "{folder}/cache"\nsocket = "{folder}/run/s"\n'
        f'[kubernetes]\nkubeconfig = "{folder}/kubeconfig"\n[admission]\nregister = "static"\n'
        f'static_dir = "{folder}/static"\n[[admission.policy]]\nname = "p"\nmodule = "file://{folder}/m.wasm"\n'
        '[[admission.policy]]\nname = "q"\nmodule = "registry://ghcr.io/a/b:v1"\nrules = []\n'
    )
    (folder / "edged.toml").write_text(text)
    unit = Unit(Path("/etc/systemd/system/edged.service"), {"User": ["nobody"], "ExecStart": [f"{folder}/edged run"]})
    checks = Checks(str(folder / "edged.toml"), unit, lambda found: found, is_default=True)
    checks.config, checks.error = config.load_leniently(folder / "edged.toml")
    found = {each.check: each for each in account.findings_as(checks.who, checks.as_daemon)}
    assert found.get("checks") is None
    for check in ("configuration", "unit", "[node] state_dir", "[node] cache_dir", "[kubernetes] kubeconfig",
                  "module of p", "certificate", "[admission] static_dir"):  # fmt: skip
        assert found[check].state == FAIL, found[check]


def kubeconfig(path: str, unit: Unit | None = None) -> Finding:
    config = replace(Config(), kubernetes=KubernetesConfig(kubeconfig=path))
    (found,) = paths.kubeconfig(config, ME, unit or Unit())
    return found


def test_a_kubeconfig_that_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("{}")
    path.chmod(0o644)
    found = kubeconfig(str(path))
    assert found.state == WARN and "mode 0644" in found.detail
    os.system(found.remedy)
    assert kubeconfig(str(path)).state == OK


def test_a_kubeconfig_that_is_not_there_or_hidden(tmp_path: Path) -> None:
    assert kubeconfig(str(tmp_path / "none")).remedy == "edged init"
    hidden = kubeconfig("/root/.kube/config", Unit(tmp_path, {"ProtectHome": ["yes"]}))
    assert hidden.state == FAIL and "/etc/edged" in hidden.remedy
    credential = "/run/credentials/edged.service/kubeconfig"
    assert kubeconfig(credential, Unit(tmp_path, {"LoadCredential": ["kubeconfig:/k"]})).state == OK
    assert list(paths.kubeconfig(Config(), ME, Unit())) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads everything, so it has to become another user")
def test_the_closed_folder_on_the_way_is_named(folder: Path) -> None:
    (folder / "state" / "k").write_text("x")
    nobody = account.checked_as("nobody")
    (found,) = account.findings_as(nobody, lambda: [Finding("k", OK, str(paths.unreadable(f"{folder}/state/k")))])
    assert f"user {nobody.uid} may not enter /" in found.detail


@pytest.mark.parametrize("place", ["/", "/var/lib", "/home"])
def test_no_remedy_gives_a_folder_of_others_to_the_daemon(place: str) -> None:
    found = paths._taken(Path(place), "edged:edged")
    if any(Path(place).iterdir()):
        assert "chown" not in found and str(Path(place, "edged")) in found


def test_an_empty_folder_and_one_of_edgeds_name_are_given_to_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "edged/tls").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name in ("edged", "empty"):
        path = tmp_path / name
        assert paths._taken(path, "edged:edged") == f"chown -R edged:edged {path} && chmod 0700 {path}"
    assert paths._taken(tmp_path, "edged:edged").startswith("name a folder of edged's own")


def test_the_units_folder_before_there_is_a_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is systemd's to make: a folder made by hand would be root's, or gone after the next start of the machine."""
    monkeypatch.setattr(paths, "NodeConfig", lambda: NodeConfig(socket=f"{tmp_path}/none/s"))
    node = NodeConfig(state_dir=str(tmp_path), cache_dir=str(tmp_path), socket=f"{tmp_path}/none/s")
    found = {each.check: each for each in paths.findings(Config(node=node), ME, Unit())}["[node] socket"]
    assert (found.state, found.remedy) == (WARN, "edged init") and "there is no unit" in found.detail
    other = Unit(tmp_path / "edged.service")
    found = {each.check: each for each in paths.findings(Config(node=node), ME, other)}["[node] socket"]
    assert found.remedy.startswith("install -d ")


def test_another_user_is_not_told_to_take_the_daemons_files() -> None:
    good, disk = Finding("a", OK, "x"), Finding("disk", WARN, "full", "free some space")
    taken = [Finding("state", FAIL, "x", "install -d -m 0700 -o me -g me /v"),
             Finding("file", WARN, "y", "chown me /f"),
             Finding("cache", FAIL, "z", "rm /c && install -d -m 0700 -o me -g me /c")]
    found = without_ownership([good, *taken, disk], "me")
    assert found[:2] == [good, disk] and len(found) == 3
    assert found[2].state == FAIL and found[2].detail.startswith("state, file, cache: user me cannot use them")
    assert found[2].remedy == "run doctor as root: sudo edged doctor"
    assert without_ownership([good, disk], "me") == [good, disk]


@pytest.mark.parametrize(("name", "uid", "kept"), [("me", 1000, False), ("edged", 1000, True), ("root", 0, True)])
def test_who_may_be_told_about_owners(
    name: str, uid: int, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "edged.toml"
    file.write_text(f'[node]\nstate_dir = "{tmp_path}"\ncache_dir = "{tmp_path}"\nsocket = "{tmp_path}/none/s"\n')
    checks = Checks(str(file), Unit(), lambda found: found, is_default=False)
    checks.who = replace(checks.who, name=name)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    found = {finding.check: finding for finding in checks.as_daemon()}
    assert ("install -d" in found["[node] socket"].remedy if kept else "[node] socket" not in found)
    assert ("files and folders" in found) is not kept
