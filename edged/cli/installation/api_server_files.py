"""The files that the API server's command line refers to: a client certificate's kubeconfig, and the file for
--admission-control-config-file. Pure; used by `edged init` and `edged webhook`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edged.admission.config import AdmissionConfig
from edged.admission.rules import webhooks
from edged.config import Config
from edged.json_text import JsonError, loads

CALLER = "kube-apiserver"
"""Name of the client certificate that the API server presents."""
KUBECONFIG_FILE = "webhook-kubeconfig.json"
ADMISSION_FILE = "admission-configuration.json"


def are_needed(admission: AdmissionConfig) -> bool:
    """Static manifests are named in one of them. Otherwise they only make the API server show a certificate, which it
    has to where nobody else is answered."""
    return admission.register == "static" or (admission.register == "dynamic" and admission.client_auth == "require")


def content(config: Config, admission: AdmissionConfig, folder: Path) -> dict[Path, dict[str, Any]]:
    """By path."""
    static_dir = admission.static_dir if admission.register == "static" else ""
    if admission.tls.cert:  # the administrator's own certificates: so are the API server's credentials
        return {folder / ADMISSION_FILE: webhooks.admission_configuration("", static_dir)}
    directory = Path(config.node.state_dir) / "tls"
    certificate, key = directory / f"{CALLER}.crt", directory / f"{CALLER}.key"
    kubeconfig = folder / KUBECONFIG_FILE
    return {
        kubeconfig: webhooks.caller_kubeconfig(admission.dialled, str(certificate), str(key)),
        folder / ADMISSION_FILE: webhooks.admission_configuration(str(kubeconfig), static_dir),
    }


def is_ours(data: bytes) -> bool:
    """Whether a file holds nothing but what edged puts into such files, so that nothing of others is lost."""
    try:
        found = loads(data)
    except JsonError:
        return False
    if not isinstance(found, dict):
        return False
    if found.get("kind") == "AdmissionConfiguration":
        plugins = found.get("plugins")
        return isinstance(plugins, list) and all(map(_is_our_plugin, plugins))
    return set(found) == {"apiVersion", "kind", "users"} and found["kind"] == "Config"


def _is_our_plugin(plugin: object) -> bool:
    if not isinstance(plugin, Mapping) or plugin.get("name") not in webhooks.PLUGINS.values():
        return False
    configuration = plugin.get("configuration")
    return isinstance(configuration, Mapping) and set(configuration) <= {
        "apiVersion", "kind", "kubeConfigFile", "staticManifestsDir",
    }  # fmt: skip


def instructions(admission: AdmissionConfig, folder: Path) -> str:
    """What the administrator has to do with them."""
    path = folder / ADMISSION_FILE
    text = (f"Give the API server --admission-control-config-file={path}\n"
            f"(k3s: --kube-apiserver-arg=admission-control-config-file={path})")
    if admission.register == "static":
        text += "; version 1.36 also needs --feature-gates=ManifestBasedAdmissionControlConfig=true"
    elif admission.client_auth != "require" and not admission.tls.cert:
        text += (".\nIt then presents a client certificate. Set [admission] client_auth = \"require\" to reject\n"
                 "callers without one.")
    return text
