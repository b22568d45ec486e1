"""The serving certificate over time: announced before it is shown, refused when it is bad, made anew by the clock."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from edged.errors import ConfigError
from edged.telemetry.logs import Logger
from edged.tls import certificates as material
from edged.tls.certificates import DAY_S, OVERLAP_S
from edged.tls.config import TlsConfig
from edged.tls.serving_certificate import LOOK_S, RETRY_S, Certificates
from edged.tls.validity import validity

URL, LISTEN = "https://127.0.0.1:8443", "127.0.0.1:8443"
NAMES = material.serving_names(URL, LISTEN)
NOW = 1_800_000_000.0


class Log(Logger):
    """Keeps what is said: the message, and the error where there is one."""

    def __init__(self) -> None:
        super().__init__(write=lambda line: None)
        self.lines: list[str] = []

    def log(self, level: str, message: str, fields: dict[str, Any]) -> None:
        self.lines.append(f"{message}: {fields['error']}" if "error" in fields else message)


class Rig:
    """A `Certificates` on virtual time, with a wall clock that tests set; signing happens in this process."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: TlsConfig | None = None) -> None:
        self.state_dir = tmp_path / "state"
        self.wall = NOW
        self.announced: list[tuple[bytes, bytes]] = []  # (bundle, certificate shown at that moment)
        self.hears_after_s = 0.0
        self.log = Log()

        async def ensure(state_dir: Path, names: list[str], *, look_into: bool = False) -> material.Material:
            present = None if look_into else material.load(state_dir, names, self.wall)
            return present or material.ensure(state_dir, names, self.wall)

        monkeypatch.setattr(material, "ensure_in_child", ensure)
        self.certificates = Certificates(
            tls or TlsConfig(), NAMES, "off", self.state_dir, self.log, self.announce, lambda: self.wall
        )

    async def announce(self) -> None:
        assert self.certificates.tls is not None
        self.announced.append((self.certificates.bundle, self.certificates.tls.certificate))
        await trio.sleep(self.hears_after_s)

    def run(self, script) -> None:
        async def main() -> None:
            async with trio.open_nursery() as nursery:
                await self.certificates.load()
                nursery.start_soon(self.certificates.run)
                await script(self.certificates.tls)
                nursery.cancel_scope.cancel()

        trio.run(main, clock=MockClock(autojump_threshold=0))


def given(tmp_path: Path, name: str, now: float = NOW) -> tuple[bytes, bytes]:
    """(certificate, key), each call from a CA of its own."""
    made = material.ensure(tmp_path / name, NAMES, now)
    return made.cert.read_bytes(), made.key.read_bytes()


@pytest.fixture
def files(tmp_path):
    certificate, key = given(tmp_path, "one")
    (tmp_path / "tls.crt").write_bytes(certificate)
    (tmp_path / "tls.key").write_bytes(key)
    return TlsConfig(cert=str(tmp_path / "tls.crt"), key=str(tmp_path / "tls.key"))


def test_a_given_certificate_is_announced_before_it_is_shown(tmp_path, monkeypatch, files):
    rig = Rig(tmp_path, monkeypatch, files)
    rig.hears_after_s = 20.0
    old = Path(files.cert).read_bytes()
    new, key = given(tmp_path, "two")

    async def script(tls):
        Path(files.cert).write_bytes(new)
        await trio.sleep(LOOK_S + 1)
        assert tls.certificate == old and "do not belong together" in rig.log.lines[-1]
        Path(files.key).write_bytes(key)
        await trio.sleep(LOOK_S + 1)
        assert rig.announced == [(new, old)] and tls.certificate == old
        await trio.sleep(20)
        assert tls.certificate == new and rig.log.lines[1:] == ["certificate replaced"]

    rig.run(script)


def test_a_malformed_certificate_is_refused_and_said_once(tmp_path, monkeypatch, files):
    rig = Rig(tmp_path, monkeypatch, files)
    old = Path(files.cert).read_bytes()

    async def script(tls):
        Path(files.cert).write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense\n")
        await trio.sleep(5 * LOOK_S)
        assert len(rig.log.lines) == 1 and "tls.crt" in rig.certificates.error
        assert tls.certificate == rig.certificates.bundle == old and rig.announced == []
        Path(files.cert).write_bytes(old)
        await trio.sleep(LOOK_S + 1)
        assert rig.certificates.error == ""

    rig.run(script)


@pytest.mark.parametrize("off_s", [-100 * DAY_S, 10 * DAY_S])
def test_a_certificate_that_nobody_accepts_now_does_not_replace_one_that_works(tmp_path, monkeypatch, files, off_s):
    rig = Rig(tmp_path, monkeypatch, files)
    old = Path(files.cert).read_bytes()
    new, key = given(tmp_path, "off", NOW + off_s)

    async def script(tls):
        Path(files.cert).write_bytes(new)
        Path(files.key).write_bytes(key)
        await trio.sleep(3 * LOOK_S)
        assert tls.certificate == old and rig.announced == [] and len(rig.log.lines) == 1
        assert "the one in use is valid until" in rig.certificates.error
        rig.wall += abs(off_s)  # the old one has expired, or the new one has begun
        if off_s > 0:
            await trio.sleep(LOOK_S + 1)
            assert tls.certificate == new and rig.certificates.error == ""

    rig.run(script)


def test_a_fifo_in_place_of_a_certificate_holds_nothing_up(tmp_path, monkeypatch, files):
    rig = Rig(tmp_path, monkeypatch, files)

    async def script(tls):
        for name in (files.cert, files.key):
            content = Path(name).read_bytes()
            Path(name).unlink()
            os.mkfifo(name)
            await trio.sleep(2 * LOOK_S)
            assert "not a regular file" in rig.certificates.error
            Path(name).unlink()
            Path(name).write_bytes(content)
            await trio.sleep(LOOK_S + 1)
            assert rig.certificates.error == ""

    rig.run(script)


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt", "ca.key", "ca-bundle.crt", "state.json"])
@pytest.mark.parametrize("running", [False, True], ids=["at start", "while it runs"])
def test_damaged_files_of_its_own_are_made_anew(tmp_path, monkeypatch, name, running):
    rig = Rig(tmp_path, monkeypatch)
    material.ensure(rig.state_dir, NAMES, NOW)
    file = rig.state_dir / "tls" / name

    async def script(tls):
        if running:
            file.write_bytes(b"")
            await trio.sleep(RETRY_S + 2 * LOOK_S)
        shows = rig.certificates.tls
        assert rig.certificates.error == "" and validity(shows.certificate)
        assert rig.certificates.bundle.count(b"-----BEGIN CERTIFICATE") >= 1

    if not running:
        file.write_bytes(b"")
    rig.run(script)


def test_a_bundle_that_cannot_be_read_for_a_while_costs_nothing(tmp_path, monkeypatch):
    rig = Rig(tmp_path, monkeypatch)
    read, broken = material.read_file, [True]

    def fails(path, **more):
        if broken and str(path).endswith("ca-bundle.crt"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path, **more)

    async def script(tls):
        shown, bundle = tls.certificate, rig.certificates.bundle
        monkeypatch.setattr(material, "read_file", fails)
        await trio.sleep(3 * RETRY_S)
        assert (tls.certificate, rig.certificates.bundle) == (shown, bundle)
        broken.clear()
        await trio.sleep(RETRY_S + LOOK_S)
        assert rig.certificates.error == ""

    rig.run(script)


def test_given_files_that_are_not_there_yet_may_come_later(tmp_path, monkeypatch):
    rig = Rig(tmp_path, monkeypatch, TlsConfig(cert=str(tmp_path / "tls.crt"), key=str(tmp_path / "tls.key")))
    with pytest.raises(material.NotMade, match=r"tls\.crt: No such file"):
        trio.run(rig.certificates.load)


def test_a_client_ca_that_cannot_be_read_starts_no_child_again_and_again(tmp_path, monkeypatch):
    client_ca = tmp_path / "client-ca.crt"
    client_ca.write_bytes(given(tmp_path, "one")[0])
    rig = Rig(tmp_path, monkeypatch, TlsConfig(client_ca=str(client_ca)))
    rig.certificates._client_auth = "require"

    async def script(tls):
        made, ensure = [], material.ensure_in_child

        async def counted(*args, **more):
            made.append(trio.current_time())
            return await ensure(*args, **more)

        monkeypatch.setattr(material, "ensure_in_child", counted)
        client_ca.write_bytes(b"")
        await trio.sleep(5 * RETRY_S)
        assert 1 <= len(made) <= 6 and "client-ca.crt" in rig.certificates.error

    rig.run(script)


def test_a_client_ca_that_is_not_there_yet_may_come_later(tmp_path, monkeypatch):
    rig = Rig(tmp_path, monkeypatch, TlsConfig(client_ca=str(tmp_path / "client-ca.crt")))
    rig.certificates._client_auth = "require"
    with pytest.raises(material.NotMade, match=r"client-ca\.crt: No such file"):
        trio.run(rig.certificates.load)


def test_the_own_ca_is_replaced_in_steps_and_the_bundle_told_first(tmp_path, monkeypatch):
    rig = Rig(tmp_path, monkeypatch)

    async def script(tls):
        first, shown = rig.certificates.bundle, tls.certificate
        rig.wall = NOW + 3650 * DAY_S * 2 / 3
        await trio.sleep(LOOK_S + 1)
        ((both, _),) = rig.announced
        assert first in both and both != first and tls.certificate != shown  # the leaf was due as well: same CA
        rig.wall += OVERLAP_S
        await trio.sleep(LOOK_S + 1)
        assert len(rig.announced) == 2  # the same two, the other way round
        assert sorted(rig.announced[1][0].split(b"-----BEGIN")) == sorted(both.split(b"-----BEGIN"))

    rig.run(script)


@pytest.mark.parametrize("jump", [400 * DAY_S, -400 * DAY_S, 30 * 365 * DAY_S])
def test_a_jump_of_the_clock_is_noticed_within_seconds(tmp_path, monkeypatch, jump):
    rig = Rig(tmp_path, monkeypatch)

    async def script(tls):
        shown = tls.certificate
        rig.wall += jump
        await trio.sleep(LOOK_S + 1)
        assert tls.certificate != shown and not rig.certificates._material.is_due(rig.wall)

    rig.run(script)


def test_failing_renewals_are_tried_again_and_the_old_one_stays(tmp_path, monkeypatch):
    rig = Rig(tmp_path, monkeypatch)

    async def script(tls):
        shown, ensure = tls.certificate, material.ensure_in_child

        async def fails(_state_dir, _names, **_):
            raise ConfigError("no space left")

        monkeypatch.setattr(material, "ensure_in_child", fails)
        rig.wall += 80 * DAY_S
        await trio.sleep(RETRY_S)
        assert rig.log.lines == ["certificates not renewed: no space left"] and tls.certificate == shown
        assert rig.certificates.error == "no space left" and rig.certificates.is_own
        monkeypatch.setattr(material, "ensure_in_child", ensure)
        await trio.sleep(RETRY_S)
        assert tls.certificate != shown and rig.certificates.error == ""

    rig.run(script)


async def fails(*_: object, **__: object) -> None:
    """What nobody expects."""
    raise ExceptionGroup("odd", [ValueError()])


def test_a_renewal_that_fails_oddly_is_tried_again(tmp_path, monkeypatch):
    rig = Rig(tmp_path, monkeypatch)

    async def script(tls):
        shown, ensure = tls.certificate, material.ensure_in_child
        monkeypatch.setattr(material, "ensure_in_child", fails)
        rig.wall += 80 * DAY_S
        await trio.sleep(RETRY_S)
        assert tls.certificate == shown and rig.log.internal_errors.counts == {"certificate": 1}
        monkeypatch.setattr(material, "ensure_in_child", ensure)
        await trio.sleep(RETRY_S + LOOK_S)
        assert tls.certificate != shown

    rig.run(script)


def test_a_certificate_whose_announcement_fails_is_announced_again_before_it_is_shown(tmp_path, monkeypatch, files):
    rig = Rig(tmp_path, monkeypatch, files)
    old = Path(files.cert).read_bytes()
    new, key = given(tmp_path, "two")

    async def script(tls):
        monkeypatch.setattr(rig.certificates, "_announce", fails)
        Path(files.cert).write_bytes(new)
        Path(files.key).write_bytes(key)
        await trio.sleep(3 * LOOK_S)
        assert tls.certificate == old == rig.certificates.bundle
        assert rig.log.internal_errors.counts["certificate"] >= 2
        monkeypatch.setattr(rig.certificates, "_announce", rig.announce)
        await trio.sleep(LOOK_S + 1)
        assert rig.announced == [(new, old)] and tls.certificate == new

    rig.run(script)
