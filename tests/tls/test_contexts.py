"""Reloading TLS material: what is taken up, what is refused, what is said."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from edged.errors import ConfigError
from edged.tls.certificates import ensure
from edged.tls.contexts import ServerTls, TlsFiles


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    for name in ("one", "two"):
        ensure(tmp_path / name, ["127.0.0.1"], time.time())
    put(tmp_path, "one", "tls.crt", "tls.key", "ca-bundle.crt")
    return TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key", (tmp_path / "ca-bundle.crt",), "require")


def put(directory: Path, source: str, *names: str) -> None:
    for name in names:
        shutil.copy(directory / source / "tls" / name, directory / name)


def test_unchanged_files_change_nothing(files):
    tls = ServerTls(files)
    context = tls.context()
    assert not tls.reload() and tls.context() is context and tls.reloads == 0


def test_half_of_a_new_pair_is_refused_until_the_other_half_is_there(files, tmp_path):
    tls = ServerTls(files)
    context = tls.context()
    put(tmp_path, "two", "tls.crt")
    assert not tls.reload() and tls.context() is context
    assert "do not belong together" in tls.error
    put(tmp_path, "two", "tls.key")
    assert tls.reload() and tls.context() is not context and not tls.error and tls.reloads == 1


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca-bundle.crt"])
@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", None])
def test_damaged_or_missing_files_keep_the_old_material(files, tmp_path, name, content):
    tls = ServerTls(files)
    context = tls.context()
    good = (tmp_path / name).read_bytes()
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    assert not tls.reload() and tls.context() is context and name in tls.error
    with pytest.raises(ConfigError, match=name):
        ServerTls(files)
    (tmp_path / name).write_bytes(good)
    assert not tls.reload() and tls.error == ""


def test_a_chain_that_no_client_takes_keeps_the_old_material(files, tmp_path):
    tls = ServerTls(files)
    context = tls.context()
    good = (tmp_path / "tls.crt").read_bytes()
    (tmp_path / "tls.crt").write_bytes(good * 200)
    assert not tls.reload() and tls.context() is context
    assert "clients take at most 64: leave only" in tls.error
    (tmp_path / "tls.crt").write_bytes(good * 20)
    assert tls.reload() and tls.error == ""


def test_a_new_client_ca_is_taken_up(files, tmp_path):
    tls = ServerTls(files)
    put(tmp_path, "two", "ca-bundle.crt")
    assert tls.reload()


def test_an_encrypted_key_is_refused_instead_of_asking_the_terminal(files, tmp_path):
    from cryptography.hazmat.primitives import serialization as s
    key = s.load_pem_private_key((tmp_path / "tls.key").read_bytes(), None)
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"x")))
    with pytest.raises(ConfigError, match="encrypted"):
        ServerTls(files)


def test_client_certificates_need_a_ca(files):
    with pytest.raises(ConfigError, match="no client CA"):
        ServerTls(TlsFiles(files.cert, files.key, (), "request"))
