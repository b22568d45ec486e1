"""The TLS context of a kubeconfig's context: what is read and comes first, and what is said of what cannot be used."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import Cluster, User

from edged.errors import ConfigError
from edged.kube.client_tls import Material, context_of, material_of
from edged.process.files import FilesRead
from tests.cluster.certificates import write_certificates


def of(cluster: dict[str, Any], **user: Any) -> SingleConfig:
    config = KubeConfig.from_one(cluster=Cluster(server="https://x", **cluster), user=User(**user)).get()
    assert config is not None
    return config


def test_data_comes_before_files_and_what_is_not_needed_is_not_read(tmp_path: Path) -> None:
    made = write_certificates(tmp_path)
    pem, key, authority = (path.read_bytes() for path in (made.admin.certificate, made.admin.key, made.authority))
    pair = {"client_cert": str(made.admin.certificate), "client_key": str(made.admin.key)}
    named = of({"certificate_auth": str(made.authority)}, **pair)
    held = of(
        {"certificate_auth_data": b64encode(authority).decode(), "certificate_auth": "/gone"},
        client_cert_data=b64encode(pem).decode(), client_cert="/gone", client_key_data=b64encode(key).decode(),
    )  # fmt: skip
    files = FilesRead()
    assert material_of(named, files) == Material(authority, pem, key)
    assert list(files) == [str(made.authority), str(made.admin.certificate), str(made.admin.key)]
    files = FilesRead()
    assert material_of(held, files) == Material(authority, pem, key)
    assert list(files) == []
    for config in (named, held):
        assert len(context_of(config, material_of(config, files)).get_ca_certs()) == 1


def test_all_that_is_missing_is_named_and_looked_for_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key")
    files = FilesRead()
    with pytest.raises(ConfigError) as raised:
        material_of(of({"certificate_auth": f"{tmp_path}/a"}, client_cert="/a\0b", client_key=f"{tmp_path}/key"), files)
    assert str(raised.value) == (
        f"kubeconfig context default: certificates cannot be used: certificate-authority {tmp_path}/a: No such file "
        "or directory; client-certificate /a\0b: this cannot be the name of a file; "
        f"client-key {tmp_path}/key: not a regular file"
    )
    (tmp_path / "a").touch()
    assert files.changed()


@pytest.mark.parametrize(
    ("cluster", "user", "why"),
    [
        ({"certificate_auth_data": "%%%"}, {}, "certificate-authority-data is not base64"),
        ({"certificate_auth_data": "bm90IGEgY2VydA=="}, {}, "certificate-authority: "),
        ({}, {"client_cert_data": "bm90IGEgY2VydA=="}, "client-certificate with client-key: "),
    ],
)
def test_what_is_no_certificate(cluster: dict[str, Any], user: dict[str, Any], why: str) -> None:
    config = of(cluster, **user)
    with pytest.raises(ConfigError, match=f"certificates cannot be used: {why}"):
        context_of(config, material_of(config, FilesRead()))


def test_an_encrypted_key_asks_nobody_for_a_password(tmp_path: Path) -> None:
    made = write_certificates(tmp_path).admin
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(ConfigError, match="encrypted private keys are not supported"):
        context_of(of({}), Material(b"", made.certificate.read_bytes(), locked))


def test_without_an_authority_the_systems_are_trusted_or_nobody_is_checked() -> None:
    assert context_of(of({}), Material(b"", b"", b"")).check_hostname
    assert not context_of(of({"insecure": True}), Material(b"", b"", b"")).check_hostname


def test_an_authority_that_is_still_empty_does_not_mean_the_systems(tmp_path: Path) -> None:
    (tmp_path / "ca").touch()
    with pytest.raises(ConfigError, match=r"certificate-authority .*/ca: it is empty"):
        material_of(of({"certificate_auth": f"{tmp_path}/ca"}), FilesRead())
