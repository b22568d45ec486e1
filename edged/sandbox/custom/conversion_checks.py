"""What a definition says of the conversion of its versions. Pure.

Source: apiextensions-apiserver's apis/apiextensions/validation, and apiserver's util/webhook.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from edged.sandbox.custom import causes
from edged.sandbox.custom.pruning import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import not_supported
from edged.sandbox.validation.formats import dns_1035_label, port_number


def conversion_causes(conversion: Object, path: str) -> Iterator[Cause]:
    """Of spec.conversion, by the paths of the internal form."""
    strategy, webhook = conversion.get("strategy") or "", conversion.get("webhook") or {}
    config, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
    if not strategy:
        yield causes.required(f"{path}.strategy")
    elif strategy not in ("None", "Webhook"):
        yield not_supported(f"{path}.strategy", strategy, ("None", "Webhook"))
    if strategy != "Webhook":
        why = "should not be set when strategy is not set to Webhook"
        if config is not None:
            yield causes.forbidden(f"{path}.webhookClientConfig", why)
        if versions:
            yield causes.forbidden(f"{path}.conversionReviewVersions", why)
        return
    if config is None:
        yield causes.required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")
    else:
        yield from _client_config(config, f"{path}.webhookClientConfig")
    yield from _review_versions(versions, f"{path}.conversionReviewVersions")


def _client_config(config: Object, path: str) -> Iterator[Cause]:
    url, service = config.get("url"), config.get("service")
    if (url is None) is (service is None):
        yield causes.required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from _url(url, f"{path}.url")
    elif service is not None:
        for field in ("name", "namespace"):
            if not service.get(field):
                yield causes.required(f"{path}.service.{field}")
        if wrong := port_number(service.get("port") or 0):
            yield causes.invalid(f"{path}.service.port", service.get("port"), f"port is not valid: {', '.join(wrong)}")


def _url(url: str, path: str) -> Iterator[Cause]:
    form, parts = "; desired format: https://host[/path]", urlsplit(url)
    if parts.scheme != "https":
        yield causes.invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{form}")
    if not parts.netloc:
        yield causes.invalid(path, parts.netloc, f"host must be specified{form}")
    if "@" in parts.netloc:
        yield causes.invalid(path, parts.netloc.rpartition("@")[0], "user information is not permitted in the URL")
    if parts.fragment:
        yield causes.invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield causes.invalid(path, parts.query, "query parameters are not permitted in the URL")


def _review_versions(versions: list[str], path: str) -> Iterator[Cause]:
    if not versions:
        yield causes.required(path)
        return
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version in seen:
            yield causes.invalid(f"{path}[{index}]", version, "duplicate version")
            continue
        seen.add(version)
        for why in dns_1035_label(version):
            yield causes.invalid(f"{path}[{index}]", version, why)
    if not seen & {"v1", "v1beta1"}:
        yield causes.invalid(path, versions, "must include at least one of v1, v1beta1")
