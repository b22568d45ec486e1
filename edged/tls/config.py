"""`admission.tls` of the configuration file: the serving certificate's files. Pure; called by admission/config.py."""



from __future__ import annotations

from edged.records import dataclass
from edged.toml.reader import absolute_path, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """Paths; without a pair, edged's own CA in state_dir."""

    cert: str = setting(absolute_path(empty=True), "")
    key: str = setting(absolute_path(empty=True), "")
    client_ca: str = setting(absolute_path(empty=True), "")
