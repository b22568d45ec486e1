"""The administrator's access to the cluster: which kubeconfig, and whether it has the rights that `init` needs."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from edged.cli.installation.identity import NAMESPACE, ClusterAddress
from edged.cli.installation.layout import Layout
from edged.errors import ConfigError, PeerError
from edged.kube.client import ApiClient, ApiError, NoAnswer, Session
from edged.kube.kubeconfig import Location

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

ANSWER_S = 15.0
RIGHTS = (
    ("create", "", "serviceaccounts", NAMESPACE),
    ("create", "", "secrets", NAMESPACE),
    ("create", "rbac.authorization.k8s.io", "clusterroles", ""),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", ""),
    ("create", "admissionregistration.k8s.io", "validatingwebhookconfigurations", ""),
    ("delete", "admissionregistration.k8s.io", "validatingwebhookconfigurations", ""),
)
"""What an administrator may do and others may not; asked before anything is changed."""


@dataclass(frozen=True, slots=True)
class Source:
    """`where`: for people, such as `k3s` or `--admin-kubeconfig`. `kubeconfig` "": $KUBECONFIG or ~/.kube/config."""

    where: str
    kubeconfig: str
    files: tuple[Path, ...]


def find_kubeconfig(given: str | None, layout: Layout, environ: Mapping[str, str] = os.environ) -> Source:
    """Raises ConfigError, which names all places."""
    if given is not None:
        path = Path(given).expanduser().absolute()
        if not path.is_file():
            raise ConfigError(f"--admin-kubeconfig {given}: there is no such file")
        return Source("--admin-kubeconfig", str(path), (path,))
    for distribution in layout.distributions:
        if distribution.kubeconfig.is_file():
            return Source(distribution.name, str(distribution.kubeconfig), (distribution.kubeconfig,))
    places = [f"{each.kubeconfig} ({each.name})" for each in layout.distributions]
    for group, name in zip(Location(environ=environ).candidates(), _names(environ), strict=True):
        present = tuple(path for path in group if path.is_file())
        if present:
            return Source(name, "", present)
        places += [f"{path} ({name})" for path in group]
    raise ConfigError(
        "no kubeconfig of an administrator found; looked for " + ", ".join(places)
        + ". --admin-kubeconfig FILE names one, such as a copy of the control plane's"
    )


def _names(environ: Mapping[str, str]) -> list[str]:
    """Of the groups of `Location.candidates`."""
    named = any(environ.get("KUBECONFIG", "").split(os.pathsep))
    return [*(["$KUBECONFIG"] if named else []), *(["~/.kube/config"] if environ.get("HOME") else [])]


def connect(source: Source, context: str) -> tuple[ApiClient, ClusterAddress]:
    """A client, and how the daemon reaches the same API server. Raises ConfigError."""
    config = Location(source.kubeconfig, context).load()
    return ApiClient(Session(config)), address_of(config)


def address_of(config: SingleConfig) -> ClusterAddress:
    """What a kubeconfig says of its API server. Raises ConfigError."""
    cluster = config.cluster
    authority = cluster.certificate_auth_data or ""
    if cluster.certificate_auth:
        path = Path(config.abs_file(cluster.certificate_auth))
        try:
            authority = base64.b64encode(path.read_bytes()).decode()
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
    return ClusterAddress(cluster.server.rstrip("/"), authority, cluster.insecure)


async def check(client: ApiClient, source: Source) -> str:
    """The API server's version. Raises EdgedError: it does not answer, or this is no administrator."""
    shown = ", ".join(map(str, source.files))
    try:
        with trio.fail_after(ANSWER_S):
            version = await client.request("GET", "/version")
            for right in RIGHTS:
                if not await _allowed(client, right):
                    verb, group, resource, _ = right
                    kind = f"{resource}.{group}" if group else resource
                    raise ConfigError(f"{shown} ({source.where}) may not {verb} {kind}: `edged init` and "
                                      "`edged uninstall` need an administrator's kubeconfig; --admin-kubeconfig FILE "
                                      "names another")
    except trio.TooSlowError:
        raise PeerError(f"the API server at {client.server} did not answer within {ANSWER_S:.0f} s ({shown})") from None
    except NoAnswer as error:
        raise PeerError(f"the API server of {shown} ({source.where}) does not answer: {error}") from error
    except ApiError as error:
        if error.code in (401, 403):
            raise ConfigError(f"{shown} ({source.where}) has no rights at {client.server}: {error.message}. "
                              "--admin-kubeconfig FILE names another") from error
        raise
    return str(version.get("gitVersion", "unknown version"))


async def _allowed(client: ApiClient, right: tuple[str, str, str, str]) -> bool:
    verb, group, resource, namespace = right
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
              "spec": {"resourceAttributes": attributes}}
    answer = await client.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    return bool((answer.get("status") or {}).get("allowed"))
