"""[observability] of the configuration file: health, metrics, log lines, traces. Pure; called by edged/config.py."""



from __future__ import annotations

from typing import Literal

from edged.records import dataclass
from edged.toml.reader import address, http_url, one_of, setting

LogFormat = Literal["logfmt", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservabilityConfig:
    """[observability]. `listen` "": no health and metrics listener."""

    listen: str = setting(address(empty=True), "127.0.0.1:8080")
    log_format: LogFormat = setting(one_of(LogFormat), "logfmt")
    log_level: LogLevel = setting(one_of(LogLevel), "info")
    otlp_endpoint: str = setting(http_url, "")
