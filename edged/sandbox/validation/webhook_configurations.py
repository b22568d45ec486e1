"""Configurations of validating and mutating webhooks. Pure.

Facts from kubernetes' pkg/apis/admissionregistration/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.admission_policies import match_conditions
from edged.sandbox.validation.causes import duplicate, invalid, not_supported, quoted, required
from edged.sandbox.validation.formats import dns_1035_label, dns_subdomain, joined, port_number
from edged.sandbox.validation.selectors import label_selector


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
    yield from _enumerated(webhook, path)
    for field in ("namespaceSelector", "objectSelector"):
        yield from label_selector(webhook.get(field), f"{path}.{field}")
    policies = ("IfNeeded", "Never")
    if mutating and webhook.get("reinvocationPolicy") not in policies:
        yield not_supported(f"{path}.reinvocationPolicy", webhook.get("reinvocationPolicy"), policies)
    yield from _client_config(webhook.get("clientConfig") or {}, f"{path}.clientConfig")
    yield from match_conditions(webhook.get("matchConditions") or [], f"{path}.matchConditions")
    yield from _review_versions(webhook.get("admissionReviewVersions"), f"{path}.admissionReviewVersions")


def _enumerated(webhook: Object, path: str) -> Iterator[Cause]:
    for field, allowed in (("failurePolicy", ("Fail", "Ignore")), ("matchPolicy", ("Equivalent", "Exact"))):
        if webhook.get(field) not in allowed:
            yield not_supported(f"{path}.{field}", webhook.get(field), allowed)
    effects = ("None", "NoneOnDryRun")
    if not webhook.get("sideEffects"):
        yield required(f"{path}.sideEffects", f"must specify one of {', '.join(effects)}")
    elif webhook["sideEffects"] not in effects:
        yield not_supported(f"{path}.sideEffects", webhook["sideEffects"], effects)
    timeout = webhook.get("timeoutSeconds")
    if not isinstance(timeout, int) or not 1 <= timeout <= 30:
        yield invalid(f"{path}.timeoutSeconds", timeout, "the timeout value must be between 1 and 30 seconds")


def _rule(rule: Object, path: str) -> Iterator[Cause]:
    known = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
    operations = rule.get("operations") or []
    yield from _alone(operations, f"{path}.operations", "operations")
    for index, operation in enumerate(operations):
        if operation not in known:
            yield not_supported(f"{path}.operations[{index}]", operation, known)
    yield from _alone(rule.get("apiGroups") or [], f"{path}.apiGroups", "API groups")
    versions = rule.get("apiVersions") or []
    yield from _alone(versions, f"{path}.apiVersions", "API versions")
    for index, version in enumerate(versions):
        if not version:
            yield required(f"{path}.apiVersions[{index}]")
    yield from _resources(rule.get("resources") or [], f"{path}.resources")
    scopes = ("*", "Cluster", "Namespaced")
    if rule.get("scope") not in scopes:
        yield not_supported(f"{path}.scope", rule.get("scope"), scopes)


def _alone(values: list[str], path: str, what: str) -> Iterator[Cause]:
    """There is something, and nothing beside `*`."""
    if not values:
        yield required(path)
    elif len(values) > 1 and "*" in values:
        yield invalid(path, values, f"if '*' is present, must not specify other {what}")


def _resources(resources: list[str], path: str) -> Iterator[Cause]:
    """`pods`, `pods/status`, and what `*` in either place takes in."""
    if not resources:
        yield required(path)
    with_any, of_any = set[str](), set[str]()
    plain = False
    for index, each in enumerate(resources):
        if not each:
            yield required(f"{path}[{index}]")
            continue
        resource, slash, sub = each.partition("/")
        if not slash:
            plain = each != "*"
            continue
        if resource in with_any:
            yield invalid(f"{path}[{index}]", each, f"if '{resource}/*' is present, must not specify {each}")
        if sub in of_any:
            yield invalid(f"{path}[{index}]", each, f"if '*/{sub}' is present, must not specify {each}")
        if sub == "*":
            with_any.add(resource)
        if resource == "*":
            of_any.add(sub)
    if len(resources) > 1 and "*/*" in resources:
        yield invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and plain:
        why = "if '*' is present, must not specify other resources without subresources"
        yield invalid(path, resources, why)


def _client_config(config: Object, path: str) -> Iterator[Cause]:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield required(path, "exactly one of url or service is required")
    elif service is not None:
        yield from _service(service, f"{path}.service")
    else:
        yield from _url(str(url), f"{path}.url")


def _url(url: str, path: str) -> Iterator[Cause]:
    form = "; desired format: https://host[/path]"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        yield required(path, f"url must be a valid URL: parse {quoted(url)}: {error}{form}")
        return
    if parts.scheme != "https":
        yield invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{form}")
    user, _, host = parts.netloc.rpartition("@")
    if not host:
        yield invalid(path, "", f"host must be specified{form}")
    if "@" in parts.netloc:
        yield invalid(path, user, "user information is not permitted in the URL")
    if parts.fragment:
        yield invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield invalid(path, parts.query, "query parameters are not permitted in the URL")


def _service(service: Object, path: str) -> Iterator[Cause]:
    """kube-apiserver mixes up the two names: what it misses is said of the other field."""
    for field, other in (("name", "namespace"), ("namespace", "name")):
        if not service.get(other):
            yield required(f"{path}.{field}")
    port = service.get("port")
    if port is not None and (wrong := port_number(port)):
        yield invalid(f"{path}.port", port, f"port is not valid: {', '.join(wrong)}")
    steps = service.get("path") or "/"
    if steps == "//":
        yield invalid(f"{path}.path", steps, "segment[0] may not be empty")
    elif steps != "/":
        if not steps.startswith("/"):
            yield invalid(f"{path}.path", steps, "must start with a '/'")
        for index, step in enumerate(steps[1:].removesuffix("/").split("/")):
            if not step:
                yield invalid(f"{path}.path", steps, f"segment[{index}] may not be empty")
                continue
            for why in dns_subdomain(step):
                yield invalid(f"{path}.path", steps, f"segment[{index}]: {why}")


def _review_versions(versions: list[str] | None, path: str) -> Iterator[Cause]:
    if not versions:
        yield required(path, "must specify one of v1, v1beta1")
        return
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version in seen:
            yield invalid(f"{path}[{index}]", version, "duplicate version")
            continue
        seen.add(version)
        for why in dns_1035_label(version):
            yield invalid(f"{path}[{index}]", version, why)
    if not {"v1", "v1beta1"} & seen:
        yield invalid(path, versions, "must include at least one of v1, v1beta1")
