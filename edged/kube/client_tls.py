"""The TLS context of a kubeconfig's context: whom it trusts, and the certificate that it shows.

What the kubeconfig holds itself comes before the files that it names, as in kubectl. kube/client.py is the user.
"""

from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING, NamedTuple

import httpx2

from edged.errors import ConfigError
from edged.process.files import FilesRead, in_memory

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig


class Material(NamedTuple):
    """PEM; b"" for what is not given. `authority`: of the server's certificate."""

    authority: bytes
    certificate: bytes
    key: bytes


def material_of(config: SingleConfig, files: FilesRead) -> Material:
    """Reads the files that are named, all of them even if the first one cannot be read, so that `files` knows what to
    look at again. Raises ConfigError."""
    cluster, user = config.cluster, config.user
    given = [("certificate-authority", cluster.certificate_auth_data, cluster.certificate_auth)]
    if user is not None:
        given += [
            ("client-certificate", user.client_cert_data, user.client_cert),
            ("client-key", user.client_key_data, user.client_key),
        ]
    found, problems = [b"", b"", b""], []
    for place, (field, data, name) in enumerate(given):
        try:
            if data:
                found[place] = base64.b64decode("".join(data.split()), validate=True)
            elif name:
                found[place] = files.read(config.abs_file(name))
                if not found[place]:  # otherwise an authority that is being written would mean that of the system
                    problems.append(f"{field} {name}: it is empty")
        except OSError as error:
            problems.append(f"{field} {name}: {error.strerror}")
        except ValueError as error:
            problems.append(f"{field}-data is not base64: {error}")
    if problems:
        raise _unusable(config, "; ".join(problems))
    return Material(*found)


def context_of(config: SingleConfig, material: Material) -> ssl.SSLContext:
    """Raises ConfigError."""
    try:
        if material.authority:
            with in_memory(material.authority) as path:
                context = ssl.create_default_context(cafile=path)
        else:
            context = httpx2.create_ssl_context(verify=not config.cluster.insecure, trust_env=False)
    except (OSError, ValueError) as error:
        raise _unusable(config, f"certificate-authority: {error}") from error
    if material.certificate:
        try:
            with in_memory(material.certificate + b"\n" + material.key) as path:
                context.load_cert_chain(path, password=_no_password)
        except (OSError, ValueError) as error:  # SSLError is an OSError
            raise _unusable(config, f"client-certificate with client-key: {error}") from error
    return context


def _unusable(config: SingleConfig, why: str) -> ConfigError:
    return ConfigError(f"kubeconfig context {config.context_name}: certificates cannot be used: {why}")


def _no_password() -> str:
    """Otherwise OpenSSL would ask for one on the terminal."""
    raise ValueError("encrypted private keys are not supported: write it without, `openssl pkey -in KEY -out NEW`")
