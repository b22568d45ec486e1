"""Whose rights count: as root, the checks run as another user, and the kernel answers for that one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.cli.doctor import account
from edged.cli.doctor.findings import OK, Finding
from edged.cli.doctor.paths import unreadable

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_who_runs_this() -> None:
    assert account.current().uid == os.geteuid()
    assert account.checked_as("") == account.current()
    assert account.checked_as("no-such-user-here") == account.current()


def test_accounts_by_name_and_by_number() -> None:
    found = account.named("0")
    assert found is not None and found.uid == 0 and found == account.named(found.name)
    assert account.named("no-such-user-here") is None


def test_the_own_account_is_checked_in_this_process() -> None:
    here = os.getpid()
    (found,) = account.findings_as(account.current(), lambda: [Finding("pid", OK, str(os.getpid()))])
    assert found.detail == str(here)


@root
def test_another_account_is_asked_with_its_own_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/root/of-the-caller")
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    nobody = account.checked_as("nobody")
    assert nobody.uid != 0

    def check() -> list[Finding]:
        who = Finding("who", OK, f"{os.geteuid()} {os.environ['HOME']} {os.environ.get('KUBECONFIG', '-')}")
        return [who, Finding("file", OK, unreadable(str(secret)) or "readable")]

    who, file = account.findings_as(nobody, check)
    assert who.detail == f"{nobody.uid} {nobody.home} -"
    assert "Permission denied" in file.detail
    assert os.geteuid() == 0 and unreadable(str(secret)) is None


@root
def test_checks_that_break_are_a_finding(capfd: pytest.CaptureFixture[str]) -> None:
    def check() -> list[Finding]:
        raise RuntimeError("broken check")

    nobody = account.checked_as("nobody")
    (found,) = account.findings_as(nobody, check)
    assert found.state == "fail" and found.remedy == "run `runuser -u nobody -- edged doctor`"
    assert "broken check" in capfd.readouterr().err
