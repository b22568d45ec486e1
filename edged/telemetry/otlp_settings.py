"""Where traces go: the configuration key and the standard OTEL_ variables -> `Settings`. No I/O.

What is set for traces alone (OTEL_EXPORTER_OTLP_TRACES_*) wins over what is set for everything, and the configuration
file wins over both endpoints. Names and defaults: the OpenTelemetry specification, "OpenTelemetry Protocol Exporter".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from edged.errors import ConfigError

PREFIX = "OTEL_EXPORTER_OTLP_"
SERVICE = "kubewarden-policy-server"
"""Kubewarden's service name: dashboards ask for it. OTEL_SERVICE_NAME gives another."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`url` is the whole one, path included. Files are paths of PEM files, "" for none."""

    url: str
    service: str = SERVICE
    attributes: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    timeout_s: float = 10.0
    certificate: str = ""
    client_certificate: str = ""
    client_key: str = ""


def read(endpoint: str, environment: Mapping[str, str]) -> Settings | None:
    """None: traces are off. `endpoint` is the configured one. Raises ConfigError, which names the variable."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    url = _url(endpoint, environment)
    if not url:
        return None
    protocol = _one(environment, "PROTOCOL")
    if protocol not in ("", "http/protobuf"):
        raise ConfigError(f"{PREFIX}PROTOCOL: edged speaks http/protobuf, not {protocol}")
    compression = _one(environment, "COMPRESSION")
    if compression not in ("", "none"):
        raise ConfigError(f"{PREFIX}COMPRESSION: edged does not compress ({compression})")
    attributes = dict(_pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES", ""), "OTEL_RESOURCE_ATTRIBUTES"))
    service = environment.get("OTEL_SERVICE_NAME", "").strip() or attributes.pop("service.name", "") or SERVICE
    attributes.pop("service.name", None)
    return Settings(
        url=url,
        service=service,
        attributes=tuple(attributes.items()),
        headers=tuple(_pairs(_one(environment, "HEADERS"), f"{PREFIX}HEADERS")),
        timeout_s=_seconds(_one(environment, "TIMEOUT")),
        certificate=_one(environment, "CERTIFICATE"),
        client_certificate=_one(environment, "CLIENT_CERTIFICATE"),
        client_key=_one(environment, "CLIENT_KEY"),
    )


def _url(endpoint: str, environment: Mapping[str, str]) -> str:
    """An endpoint for everything gets the path of traces; one for traces is taken as it is."""
    own = environment.get(f"{PREFIX}TRACES_ENDPOINT", "").strip()
    if own and not endpoint:
        return _checked(own, f"{PREFIX}TRACES_ENDPOINT")
    source = "[observability] otlp_endpoint" if endpoint else f"{PREFIX}ENDPOINT"
    base = endpoint or environment.get(f"{PREFIX}ENDPOINT", "").strip()
    return f"{_checked(base, source).rstrip('/')}/v1/traces" if base else ""


def _checked(url: str, source: str) -> str:
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        _ = parts.port
    except ValueError:
        is_right = False
    if not is_right:
        raise ConfigError(f"{source}: must be an http:// or https:// URL with a host, not {url!r}")
    return url


def _one(environment: Mapping[str, str], name: str) -> str:
    found = environment.get(f"{PREFIX}TRACES_{name}", "").strip()
    return found or environment.get(f"{PREFIX}{name}", "").strip()


def _seconds(milliseconds: str) -> float:
    if not milliseconds:
        return 10.0
    if not (milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) <= 9 and int(milliseconds) > 0):
        raise ConfigError(f"{PREFIX}TIMEOUT: must be milliseconds, not {milliseconds!r}")
    return int(milliseconds) / 1000


def _pairs(text: str, source: str) -> list[tuple[str, str]]:
    """`a=1,b=2`, values percent-encoded."""
    found = []
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = pair.partition("=")
        value = unquote(value.strip())
        if not equals or not name.strip() or "\n" in value or "\r" in value:
            raise ConfigError(f"{source}: must be a list of name=value")  # values may be secrets: not shown
        found.append((name.strip(), value))
    return found
