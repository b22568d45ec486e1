"""The own CA: what is made, who may read it, when it is renewed, and what survives a rotation."""

from __future__ import annotations

import json
import os
import ssl
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio
from cryptography import x509

from edged.cli import main as frame
from edged.errors import ConfigError, EdgedError
from edged.process import children
from edged.tls import certificates
from edged.tls.certificates import DAY_S, OVERLAP_S, ensure, ensure_in_child, load, serving_names
from tests.hostile_values import hostile_bytes, mutations

NOW = 1_800_000_000.0
NAMES = ["127.0.0.1", "localhost"]


def cert(state_dir: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((state_dir / "tls" / f"{name}.crt").read_bytes())


def bundle(state_dir: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((state_dir / "tls" / "ca-bundle.crt").read_bytes())


def snapshot(state_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (state_dir / "tls").iterdir()}


def test_files_and_permissions(tmp_path):
    previous = os.umask(0)
    try:
        material = ensure(tmp_path, NAMES, NOW, ["kube-apiserver"])
    finally:
        os.umask(previous)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "tls").iterdir()}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert {name for name, mode in modes.items() if mode == 0o600} == {
        "ca.key", "tls.key", "kube-apiserver.key", "state.json"}
    assert set(modes) == {"ca.key", "tls.key", "kube-apiserver.key", "state.json", "ca.crt", "tls.crt",
                          "kube-apiserver.crt", "ca-bundle.crt"}
    assert material.cert.name == "tls.crt" and material.bundle().startswith(b"-----BEGIN CERTIFICATE")


def test_the_serving_certificate_names_its_hosts_and_is_signed_by_the_ca(tmp_path):
    ensure(tmp_path, ["10.1.2.3", "edge.example.org", "::1"], NOW)
    leaf = cert(tmp_path, "tls")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["10.1.2.3", "::1"]
    assert names.get_values_for_type(x509.DNSName) == ["edge.example.org"]
    leaf.verify_directly_issued_by(cert(tmp_path, "ca"))


def test_a_second_run_changes_nothing(tmp_path):
    ensure(tmp_path, NAMES, NOW, ["a"])
    before = snapshot(tmp_path)
    ensure(tmp_path, NAMES, NOW + 10 * DAY_S)
    assert snapshot(tmp_path) == before
    assert load(tmp_path, NAMES, NOW, ["a"]) is not None


def test_load_says_when_there_is_something_to_do(tmp_path):
    assert load(tmp_path, NAMES, NOW) is None
    material = ensure(tmp_path, NAMES, NOW)
    assert material.renew_at == pytest.approx(NOW + 60 * DAY_S, abs=3600)
    assert load(tmp_path, NAMES, NOW) == material
    assert load(tmp_path, ["other"], NOW) is None
    assert load(tmp_path, NAMES, NOW, ["client"]) is None
    assert load(tmp_path, NAMES, material.renew_at) is None
    material.key.unlink()
    assert load(tmp_path, NAMES, NOW) is None


def test_other_names_give_another_certificate_of_the_same_ca(tmp_path):
    ensure(tmp_path, NAMES, NOW)
    authority, leaf = cert(tmp_path, "ca"), cert(tmp_path, "tls")
    ensure(tmp_path, ["10.0.0.1"], NOW)
    assert cert(tmp_path, "ca") == authority and cert(tmp_path, "tls") != leaf


def test_the_serving_certificate_is_renewed_at_two_thirds(tmp_path):
    material = ensure(tmp_path, NAMES, NOW)
    leaf = cert(tmp_path, "tls")
    ensure(tmp_path, NAMES, material.renew_at)
    assert cert(tmp_path, "tls") != leaf


def test_a_ca_changes_in_two_steps(tmp_path):
    ensure(tmp_path, NAMES, NOW, ["client"])
    old = cert(tmp_path, "ca")
    due = NOW + 3650 * DAY_S * 2 / 3
    material = ensure(tmp_path, NAMES, due)
    successor = cert(tmp_path, "ca-next")
    assert bundle(tmp_path) == [old, successor]
    cert(tmp_path, "tls").verify_directly_issued_by(old)
    assert material.renew_at == due + OVERLAP_S  # the successor is trusted from now, and signs from then
    ensure(tmp_path, NAMES, due + OVERLAP_S - 1)
    cert(tmp_path, "tls").verify_directly_issued_by(old)
    ensure(tmp_path, NAMES, due + OVERLAP_S)
    assert cert(tmp_path, "ca") == successor and bundle(tmp_path) == [successor, old]
    for name in ("tls", "client"):
        cert(tmp_path, name).verify_directly_issued_by(successor)
    assert not (tmp_path / "tls" / "ca-next.key").exists()
    ensure(tmp_path, NAMES, NOW + 3651 * DAY_S)
    assert bundle(tmp_path) == [successor]


def test_an_expired_ca_is_replaced_at_once(tmp_path):
    ensure(tmp_path, NAMES, 0.0 + DAY_S)  # a board without a clock, before its first NTP answer
    ensure(tmp_path, NAMES, NOW)
    assert bundle(tmp_path) == [cert(tmp_path, "ca")]
    assert cert(tmp_path, "tls").not_valid_after_utc.timestamp() > NOW


def test_a_clock_set_back_makes_everything_anew(tmp_path):
    """A board whose clock was years ahead when it first ran: what it made then is not valid yet."""
    later = NOW + 400 * DAY_S
    ensure(tmp_path, NAMES, later, ["client"])
    future = cert(tmp_path, "ca")
    assert load(tmp_path, NAMES, later, ["client"]) and load(tmp_path, NAMES, later - 3000) is not None
    assert load(tmp_path, NAMES, NOW) is None
    material = ensure(tmp_path, NAMES, NOW)
    assert bundle(tmp_path) == [cert(tmp_path, "ca")] != [future]
    for name in ("tls", "client"):
        cert(tmp_path, name).verify_directly_issued_by(cert(tmp_path, "ca"))
        assert cert(tmp_path, name).not_valid_before_utc.timestamp() <= NOW
    assert not material.is_due(NOW) and material.is_due(NOW - DAY_S) and material.is_due(later)


def test_a_successor_from_the_future_is_dropped(tmp_path):
    ensure(tmp_path, NAMES, NOW)
    due = NOW + 3650 * DAY_S * 2 / 3
    ensure(tmp_path, NAMES, due)  # the clock jumped ahead ...
    assert (tmp_path / "tls" / "ca-next.crt").exists()
    ensure(tmp_path, NAMES, NOW + DAY_S)  # ... and back
    assert not (tmp_path / "tls" / "ca-next.crt").exists() and bundle(tmp_path) == [cert(tmp_path, "ca")]
    cert(tmp_path, "tls").verify_directly_issued_by(cert(tmp_path, "ca"))


def test_a_lost_ca_key_gives_a_new_ca_and_keeps_the_old_one_trusted(tmp_path):
    ensure(tmp_path, NAMES, NOW)
    old = cert(tmp_path, "ca")
    (tmp_path / "tls" / "ca.key").unlink()
    ensure(tmp_path, NAMES, NOW + 60)
    assert bundle(tmp_path) == [cert(tmp_path, "ca"), old] and cert(tmp_path, "ca") != old
    cert(tmp_path, "tls").verify_directly_issued_by(cert(tmp_path, "ca"))


def test_a_promotion_that_was_cut_off_keeps_the_old_ca(tmp_path):
    ensure(tmp_path, NAMES, NOW)
    old = cert(tmp_path, "ca")
    due = NOW + 3650 * DAY_S * 2 / 3
    ensure(tmp_path, NAMES, due)
    directory = tmp_path / "tls"
    successor = [(directory / f"ca-next.{end}").read_bytes() for end in ("crt", "key")]
    ensure(tmp_path, NAMES, due + OVERLAP_S)
    for end, data in zip(("crt", "key"), successor, strict=True):
        (directory / f"ca-next.{end}").write_bytes(data)
    ensure(tmp_path, NAMES, due + OVERLAP_S)
    assert old in bundle(tmp_path) and not (directory / "ca-next.crt").exists()


@pytest.mark.parametrize("damage", [b"", b"damaged", b"-----BEGIN CERTIFICATE-----\nMIIB", b"\xff\0"])
@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "client.crt", "client.key", "ca-bundle.crt"])
def test_a_damaged_file_is_made_anew_and_the_ca_stays(tmp_path, name, damage):
    ensure(tmp_path, NAMES, NOW, ["client"])
    authority = cert(tmp_path, "ca")
    (tmp_path / "tls" / name).write_bytes(damage)
    made = ensure(tmp_path, NAMES, NOW, ["client"])
    assert made.mended == (name,) and cert(tmp_path, "ca") == authority and bundle(tmp_path) == [authority]
    cert(tmp_path, name.partition(".")[0].replace("ca-bundle", "tls")).verify_directly_issued_by(authority)
    assert ensure(tmp_path, NAMES, NOW, ["client"]).mended == ()


def test_a_damaged_ca_certificate_is_found_in_the_bundle(tmp_path):
    ensure(tmp_path, NAMES, NOW)
    authority, leaf = cert(tmp_path, "ca"), cert(tmp_path, "tls")
    (tmp_path / "tls" / "ca.crt").write_bytes(b"")
    assert ensure(tmp_path, NAMES, NOW).mended == ("ca.crt",)
    assert (cert(tmp_path, "ca"), cert(tmp_path, "tls")) == (authority, leaf)


@pytest.mark.parametrize("names", [("ca.key",), ("ca.key", "ca.crt")])
def test_a_damaged_ca_key_gives_a_new_ca_and_keeps_the_old_one_trusted(tmp_path, names):
    ensure(tmp_path, NAMES, NOW)
    old = cert(tmp_path, "ca")
    for name in names:
        (tmp_path / "tls" / name).write_bytes(b"")
    assert set(ensure(tmp_path, NAMES, NOW + 60).mended) == set(names)
    assert bundle(tmp_path) == [cert(tmp_path, "ca"), old] and cert(tmp_path, "ca") != old
    cert(tmp_path, "tls").verify_directly_issued_by(cert(tmp_path, "ca"))


def test_everything_empty_at_once(tmp_path):
    ensure(tmp_path, NAMES, NOW, ["client"])
    for path in (tmp_path / "tls").iterdir():
        path.write_bytes(b"")
    ensure(tmp_path, NAMES, NOW)
    for name in ("tls", "client"):
        cert(tmp_path, name).verify_directly_issued_by(cert(tmp_path, "ca"))
    assert load(tmp_path, NAMES, NOW, ["client"]) is not None


def test_whatever_state_json_holds_it_is_written_anew(tmp_path):
    ensure(tmp_path, NAMES, NOW, ["client"])
    file = tmp_path / "tls" / "state.json"
    valid = json.loads(file.read_bytes())
    contents = [json.dumps(broken).encode() for _, broken in mutations(valid, Random(1), each=8) if is_flat(broken)]
    for content in [*contents, *(data for _, data in hostile_bytes()), b'{"renew_at":1e999}']:
        file.write_bytes(content)
        load(tmp_path, NAMES, NOW)
    for content in contents[::50]:
        file.write_bytes(content)
        ensure(tmp_path, NAMES, NOW)
        assert load(tmp_path, NAMES, NOW) is not None


def is_flat(value):
    try:
        json.dumps(value)
    except RecursionError:
        return False
    return True


def test_a_bundle_without_certificates_is_never_given_to_an_api_server(tmp_path):
    material = ensure(tmp_path, NAMES, NOW)
    for content in (b"", b"nonsense", material.ca_bundle.read_bytes()[:-30]):
        material.ca_bundle.write_bytes(content)
        with pytest.raises(ConfigError, match=r"ca-bundle\.crt is damaged"):
            material.bundle()


def test_bad_names_and_places_are_errors(tmp_path):
    with pytest.raises(ConfigError, match="neither an IP address nor a host name"):
        ensure(tmp_path, ["a" * 64 + ".b"], NOW)
    with pytest.raises(ConfigError, match="at least one"):
        ensure(tmp_path, [], NOW)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        ensure(tmp_path / "file", NAMES, NOW)


@pytest.mark.parametrize(("url", "listen", "expected"), [
    ("https://127.0.0.1:8443", "127.0.0.1:8443", ["127.0.0.1", "::1", "localhost"]),
    ("https://edge.lan:8443/x", "0.0.0.0:8443", ["edge.lan"]),
    ("https://[fd00::1]:8443", "[::]:8443", ["fd00::1"]),
    ("https://edge.lan", "10.0.0.1:8443", ["edge.lan", "10.0.0.1"]),
])
def test_serving_names(url, listen, expected):
    assert serving_names(url, listen) == expected


def test_the_child_makes_what_openssl_accepts_and_this_process_stays_small(tmp_path):
    script = (
        "import sys, trio, pathlib\n"
        "from edged.tls.certificates import ensure_in_child\n"
        f"m = trio.run(ensure_in_child, pathlib.Path({str(tmp_path)!r}), ['127.0.0.1'], ['client'])\n"
        "assert 'cryptography' not in sys.modules, 'cryptography was imported'\n")
    subprocess.run([sys.executable, "-c", script], check=True)
    material = load(tmp_path, ["127.0.0.1"], time.time(), ["client"])
    assert material is not None
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(material.cert, material.key)
    client = ssl.create_default_context(cafile=material.ca_bundle)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    two = server.wrap_bio(outgoing, incoming, server_side=True)
    for side in (one, two, one, two):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert one.getpeercert() is not None


def test_the_childs_complaint_is_passed_on(tmp_path):
    with pytest.raises(ConfigError, match="neither an IP address nor a host name"):
        trio.run(ensure_in_child, tmp_path, ["a" * 64 + ".b"])
    umask = os.umask(0o077)
    try:
        assert certificates.main(["--state-dir", str(tmp_path), "--name", "a" * 64 + ".b"]) == 2
    finally:
        os.umask(umask)


def test_the_child_tells_of_damaged_files_that_it_made_anew(tmp_path):
    ensure(tmp_path, NAMES, time.time())
    (tmp_path / "tls" / "tls.crt").write_bytes(b"")
    assert trio.run(ensure_in_child, tmp_path, NAMES).mended == (), "everything is there, and not due"
    assert trio.run(partial(ensure_in_child, tmp_path, NAMES, look_into=True)).mended == ("tls.crt",)


def test_a_clock_that_is_set_while_certificates_are_made(tmp_path, monkeypatch):
    clock = iter([NOW - 20_000 * DAY_S / 10] + [NOW] * 10)
    monkeypatch.setattr(certificates.time, "time", lambda: next(clock))

    async def child(command, **_):
        ensure(tmp_path, NAMES, next(made_at))
        return children.Ended(0, b"\n", b"")

    made_at = iter([NOW - 2000 * DAY_S, NOW])
    monkeypatch.setattr(children, "run", child)
    assert trio.run(ensure_in_child, tmp_path, NAMES).is_due(NOW) is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_no_fault_of_the_configuration(tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(OSError, match="No space left"), open(tmp_path / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
        with pytest.raises(certificates.NotMade, match=r"cannot make certificates in .*No space left") as made:
            trio.run(ensure_in_child, tmp_path, NAMES)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert frame.failed(made.value) == 1


def test_a_child_that_is_killed_is_no_fault_of_the_configuration(tmp_path, monkeypatch):
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    monkeypatch.setattr(children, "own_program", lambda *_: killed)
    with pytest.raises(EdgedError, match="cannot make certificates") as made:
        trio.run(ensure_in_child, tmp_path, NAMES)
    assert frame.failed(made.value) == 1
