"""Configurations of validating and mutating webhooks. Pure.

Facts from kubernetes' pkg/apis/admissionregistration/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.admission_policies import match_conditions
from edged.sandbox.validation.causes import duplicate, invalid, not_supported, required
from edged.sandbox.validation.formats import dns_subdomain, joined


def webhooks(mutating: bool) -> Callable[[Object, Object | None], Iterator[Cause]]:
    """The check of one of the two kinds."""

    def check(obj: Object, old: Object | None) -> Iterator[Cause]:
        seen: set[str] = set()
        for index, webhook in enumerate(obj.get("webhooks") or ()):
            path = f"webhooks[{index}]"
            yield from _webhook(webhook, path, mutating)
            name = webhook.get("name") or ""
            if name in seen:
                yield duplicate(f"{path}.name", name)
            seen.add(name)

    return check


def _webhook(webhook: Object, path: str, mutating: bool) -> Iterator[Cause]:
    name = webhook.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    elif wrong := dns_subdomain(name):
        yield invalid(f"{path}.name", name, joined(wrong))
    elif name.count(".") < 2:
        yield invalid(f"{path}.name", name, "should be a domain with at least three segments separated by dots")
    for index, rule in enumerate(webhook.get("rules") or ()):
        yield from _rule(rule, f"{path}.rules[{index}]")
    yield from _enumerated(webhook, path, mutating)
    timeout = webhook.get("timeoutSeconds")
    if not isinstance(timeout, int) or not 1 <= timeout <= 30:
        yield invalid(f"{path}.timeoutSeconds", timeout, "the timeout value must be between 1 and 30 seconds")
    yield from _client_config(webhook.get("clientConfig") or {}, f"{path}.clientConfig")
    yield from _review_versions(webhook.get("admissionReviewVersions"), f"{path}.admissionReviewVersions")
    yield from match_conditions(webhook.get("matchConditions") or [], f"{path}.matchConditions")


def _enumerated(webhook: Object, path: str, mutating: bool) -> Iterator[Cause]:
    effects = ("None", "NoneOnDryRun")
    if not webhook.get("sideEffects"):
        yield required(f"{path}.sideEffects", f"must specify one of {', '.join(effects)}")
    elif webhook["sideEffects"] not in effects:
        yield not_supported(f"{path}.sideEffects", webhook["sideEffects"], effects)
    choices = {"failurePolicy": ("Fail", "Ignore"), "matchPolicy": ("Equivalent", "Exact")}
    if mutating:
        choices["reinvocationPolicy"] = ("IfNeeded", "Never")
    for field, allowed in choices.items():
        if webhook.get(field) not in allowed:
            yield not_supported(f"{path}.{field}", webhook.get(field), allowed)


def _rule(rule: Object, path: str) -> Iterator[Cause]:
    operations = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
    for field in ("operations", "apiGroups", "apiVersions", "resources"):
        values = rule.get(field)
        if not values:
            yield required(f"{path}.{field}")
        elif len(values) > 1 and "*" in values:
            yield invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {field}")
    for index, operation in enumerate(rule.get("operations") or ()):
        if operation not in operations:
            yield not_supported(f"{path}.operations[{index}]", operation, operations)
    scopes = ("*", "Cluster", "Namespaced")
    if rule.get("scope") not in scopes:
        yield not_supported(f"{path}.scope", rule.get("scope"), scopes)


def _client_config(config: Object, path: str) -> Iterator[Cause]:
    url, service = config.get("url"), config.get("service")
    if bool(url) == bool(service):
        yield required(path, "exactly one of url or service is required")
        return
    if service:
        for field in ("name", "namespace"):
            if not service.get(field):
                yield required(f"{path}.service.{field}", f"service {field} is required")
        return
    form, parts = "desired format: https://host[/path]", urlsplit(str(url))
    if parts.scheme != "https":
        yield invalid(f"{path}.url", parts.scheme, f"'https' is the only allowed URL scheme; {form}")
    if not parts.netloc:
        yield invalid(f"{path}.url", url, f"host must be specified; {form}")
    if parts.username or parts.password:
        yield invalid(f"{path}.url", url, f"user information is not permitted in the URL; {form}")
    if parts.fragment or "#" in str(url):
        yield invalid(f"{path}.url", parts.fragment, f"fragments are not permitted in the URL; {form}")
    if parts.query or "?" in str(url):
        yield invalid(f"{path}.url", parts.query, f"query parameters are not permitted in the URL; {form}")


def _review_versions(versions: list[str] | None, path: str) -> Iterator[Cause]:
    if not versions:
        yield required(path, "must specify one of v1, v1beta1")
    elif not {"v1", "v1beta1"} & set(versions):
        yield invalid(path, versions, "must include at least one of v1, v1beta1")
