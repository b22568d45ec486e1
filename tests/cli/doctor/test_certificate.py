"""The certificate: of edged's own CA, and given files; expired, for another name, not fitting its key."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edged import config
from edged.cli.doctor import certificate
from edged.cli.doctor.certificate import DAY_S, Certificate
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.tls import certificates

NOW = time.time()


def own(state: Path, *, now: float = NOW, url: str = "https://127.0.0.1:8443") -> Finding:
    text = f'[node]\nstate_dir = "{state}"\n[admission]\nurl = "{url}"\n'
    (found,) = certificate.findings(config.parse(text), now, "edged:edged")
    return found


def given(folder: Path, url: str = "https://127.0.0.1:8443", *, now: float = NOW, key: str = "tls.key") -> Finding:
    tls = f'tls = {{ cert = "{folder}/tls.crt", key = "{folder}/{key}" }}'
    (found,) = certificate.findings(config.parse(f'[admission]\nurl = "{url}"\n{tls}\n'), now, "edged:edged")
    return found


@pytest.fixture
def state(tmp_path: Path) -> Path:
    certificates.ensure(tmp_path, ["127.0.0.1", "localhost"], NOW, ["kube-apiserver"])
    return tmp_path


def test_without_admission_there_is_none() -> None:
    assert list(certificate.findings(config.parse(""), NOW, "edged:edged")) == []


def test_the_own_one(state: Path, tmp_path: Path) -> None:
    assert own(tmp_path / "new").detail == "edged makes it when it starts"
    assert own(state).state == OK and "valid for 90 days" in own(state).detail


@pytest.mark.parametrize(("days", "said"), [(80, "expires in 10 days"), (93, "expired 3 days ago")])
def test_the_own_one_that_nobody_renewed(state: Path, days: float, said: str) -> None:
    found = own(state, now=NOW + days * DAY_S)
    assert (found.state, found.remedy) == (WARN, "systemctl restart edged")
    assert said in found.detail


def test_the_own_one_is_made_anew_for_another_name(state: Path) -> None:
    found = own(state, url="https://node-1.lan:8443")
    assert found.state == WARN and "dials node-1.lan; edged makes another one" in found.detail


def test_given_files(state: Path) -> None:
    folder = state / "tls"
    assert given(folder).state == OK
    expired = given(folder, now=NOW + 91 * DAY_S)
    assert expired.state == FAIL and "expired" in expired.detail
    assert given(folder, now=NOW + 80 * DAY_S).state == WARN
    early = given(folder, now=NOW - 100 * DAY_S)
    assert early.state == FAIL and "clock" in early.detail
    other = given(folder, "https://node-1.lan:8443")
    assert other.state == FAIL and "but the API server dials node-1.lan" in other.detail


def test_given_files_that_do_not_fit_or_are_not_there(state: Path) -> None:
    folder = state / "tls"
    wrong = given(folder, key="ca.key")
    assert wrong.state == FAIL and "its own key" in wrong.remedy
    missing = given(folder, key="none.key")
    assert missing.state == FAIL and f"{folder}/none.key" in missing.detail
    (folder / "tls.crt").write_text("nothing")
    assert given(folder).state == FAIL
    assert own(state).state == FAIL and "holds no certificate" in own(state).detail


@pytest.mark.parametrize(("names", "url", "fits"), [
    (("127.0.0.1",), "https://127.0.0.1:1", True), (("::1",), "https://[0:0:0:0:0:0:0:1]:1", True),
    (("Node.lan",), "https://node.LAN:1", True), (("*.lan",), "https://node.lan", True),
    (("*.lan",), "https://a.node.lan", False), (("*.lan",), "https://lan", False), ((), "https://node.lan", False),
    (("node.lan",), "", True),
])  # fmt: skip
def test_names(names: tuple[str, ...], url: str, fits: bool) -> None:
    assert (certificate.name_problem(names, url) == "") == fits


def test_times() -> None:
    found = Certificate(100.0, 100.0 + 30 * DAY_S, ())
    assert certificate.time_problem(found, 99.0) and not certificate.time_problem(found, 100.0)
    assert certificate.time_problem(found, 100.0 + 30 * DAY_S).startswith("expired 0 hours ago")
