"""What an API server says of the manifests that it goes by: reading its metrics. Pure.

kube-apiserver (1.37) counts reloads of each folder of manifests, and shows the hash of what it went by last. The hash
is over the contents of the folder's files, so it tells one revision from another. Used by manifest_reader.py, which
asks, and static_evidence.py, which judges.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from edged.admission.rules.webhooks import PLUGINS
from edged.records import dataclass

_PREFIX = "apiserver_manifest_admission_config_controller_"
_INFO = f"{_PREFIX}last_config_info"
_TIMES = f"{_PREFIX}automatic_reload_last_timestamp_seconds"
NAMES = (_INFO, _TIMES)
"""The metrics that are read."""
EXTENSIONS = (".json", ".yaml", ".yml")
"""Of files that an API server reads in such a folder."""
_LABEL = re.compile(rb'(\w+)="([^"\\]*)"')
_KINDS = {plugin.encode(): kind for kind, plugin in PLUGINS.items()}


@dataclass(frozen=True, slots=True)
class Loaded:
    """One folder as an API server knows it. `server`: a digest of the API server's identity. `hash`: of the content
    that it goes by, "" for an empty folder. `refused_at`: Unix time of its last reload if that failed, else None."""

    server: str
    hash: str
    refused_at: float | None = None


def content_hash(contents: Iterable[bytes]) -> str:
    """The hash that an API server shows for a folder whose files, in the order of their names, hold this."""
    digest, is_empty = hashlib.sha256(), True
    for data in contents:
        if data:
            digest.update(data + b"\0")
            is_empty = False
    return "" if is_empty else f"sha256:{digest.hexdigest()}"


def is_read(name: str) -> bool:
    """Whether an API server reads a file of that name."""
    return name[name.rfind(".") :].lower() in EXTENSIONS if "." in name else False


def identity_of(hostname: str) -> str:
    """`Loaded.server` of the kube-apiserver on a host of that name."""
    parts = (hostname.encode(), b"kube-apiserver")
    digest = hashlib.sha256(b"".join(len(part).to_bytes(2, "big") + part for part in parts)).digest()
    name = f"apiserver-{base64.b32encode(digest[:16]).decode().rstrip('=').lower()}"
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


class MetricsReader:
    """Takes the lines of an answer, keeps what it is about."""

    def __init__(self) -> None:
        self._info: dict[str, tuple[str, str]] = {}
        self._times: dict[tuple[str, str, str], float] = {}

    def line(self, line: bytes) -> None:
        """One line, whatever it is."""
        if not line.startswith(_PREFIX.encode()):
            return
        name, _, rest = line.partition(b"{")
        labels_text, _, value = rest.rpartition(b"}")
        labels = dict(_LABEL.findall(labels_text))
        kind = _KINDS.get(labels.get(b"plugin", b""))
        server = labels.get(b"apiserver_id_hash", b"").decode("utf-8", "replace")
        if kind is None or not server:
            return
        if name == _INFO.encode():
            self._info[kind] = (server, labels.get(b"hash", b"").decode("utf-8", "replace"))
        elif name == _TIMES.encode():
            at, status = _number(value), labels.get(b"status", b"").decode("utf-8", "replace")
            if at is not None:
                self._times[kind, server, status] = at

    def loaded(self) -> dict[str, Loaded]:
        """By kind of webhook configuration; without those that the API server reads no folder for."""
        found = {}
        for kind, (server, content) in self._info.items():
            failed = self._times.get((kind, server, "failure"))
            succeeded = self._times.get((kind, server, "success"), 0.0)
            found[kind] = Loaded(server, content, failed if failed is not None and failed > succeeded else None)
        return found


def _number(text: bytes) -> float | None:
    try:
        return float(text.split()[0])
    except (ValueError, IndexError):
        return None
