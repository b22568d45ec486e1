"""What an author's metadata must be before it goes into a module: Kubewarden's rules for rules, and what else could be
meant otherwise than it will work. Pure. Called by `edged policy annotate`, `inspect` and `scaffold`.

A loaded module is checked by metadata.py alone: published ones that break these rules still run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from edged.abi.metadata import MATCH_CONDITIONS, MODES, OPERATIONS
from edged.errors import did_you_mean

KEYS = (
    "protocolVersion", "rules", "annotations", "mutating", "backgroundAudit", "executionMode", "policyType",
    "contextAwareResources", "hostCapabilities", "minimumKubewardenVersion",
)  # fmt: skip
OLD_KEYS = {
    "contextAware": "contextAwareResources names the kinds that the policy reads",
    "labels": "annotations took its place",
    "annotatedBy": "an annotation says what annotated the module",
}
"""Keys that Kubewarden had once and ignores now, and what took their place. Many published policies still have them."""
KIND_KEYS = ("apiVersion", "kind")
RULE_KEYS = ("apiGroups", "apiVersions", "resources", "operations")
SCOPES = ("*", "Cluster", "Namespaced")
USAGE = "io.kubewarden.policy.usage"
SEVERITY = "io.kubewarden.policy.severity"
SEVERITIES = ("critical", "high", "medium", "low", "info")
JAVY_MODULE, HOST_MODULE = "kubewarden:javy/host", "host"
_NUMBER = r"(?:0|[1-9][0-9]*)"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-[-.0-9A-Za-z]+)?(?:\+[-.0-9A-Za-z]+)?")


def problems(metadata: object) -> list[str]:
    """Everything that is wrong, `key: what`."""
    if not isinstance(metadata, Mapping):
        return ["the metadata is not a mapping"]
    return [*_shape(metadata), *_rules(metadata.get("rules"))]


def notes(metadata: Mapping[str, object]) -> list[str]:
    """What is accepted, but does not do what its author may expect, `key: what`."""
    found = [f"{key}: an old key without effect; {instead}" for key, instead in OLD_KEYS.items() if key in metadata]
    annotations = metadata.get("annotations")
    severity = annotations.get(SEVERITY) if isinstance(annotations, Mapping) else None
    if severity is not None and severity not in SEVERITIES:
        found.append(f"annotations.{SEVERITY}: {severity!r} is none of {', '.join(SEVERITIES)}; reports leave it out")
    if not metadata.get("rules") and metadata.get("policyType", "kubernetes") == "kubernetes":
        found.append("rules: empty; the policy reviews nothing until a custom resource or edged.toml gives it rules")
    return found


def cleaned(document: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata without problems as it goes into a module: without old keys and what is null; no rules are a list."""
    kept = {key: value for key, value in document.items() if value is not None and key not in OLD_KEYS}
    return {**kept, "rules": document["rules"] or []}


def with_texts(document: object, texts: object) -> object:
    """`document` with `texts` (the same file with all scalars read as text) where metadata holds text: there kwctl
    reads the version `1.10` as it is written, and nothing as empty text."""
    if not isinstance(document, Mapping) or not isinstance(texts, Mapping):
        return document
    found = dict(document)
    for key in ("annotations", "contextAwareResources", "hostCapabilities", "rules"):
        if isinstance(found.get(key), dict | list) and key in texts:
            found[key] = texts[key]
    if isinstance(found.get("rules"), list) and isinstance(document["rules"], list):
        found["rules"] = [_without_scope(*pair) for pair in zip(document["rules"], found["rules"], strict=True)]
    if found.get("minimumKubewardenVersion") is not None:
        found["minimumKubewardenVersion"] = texts.get("minimumKubewardenVersion")
    return found


def _without_scope(rule: object, texts: object) -> object:
    """A rule's scope is text that may be missing: null stays null."""
    if isinstance(rule, Mapping) and isinstance(texts, Mapping) and "scope" in rule and rule["scope"] is None:
        return {**texts, "scope": None}
    return texts


def _shape(metadata: Mapping[str, object]) -> Iterator[str]:
    for key in metadata:
        if key not in KEYS and key not in OLD_KEYS:
            yield f"{key}: unknown key{did_you_mean(str(key), KEYS)}"
    if "mutating" not in metadata:
        yield "mutating: is missing (true or false)"
    elif not isinstance(metadata["mutating"], bool):
        yield "mutating: must be true or false"
    if metadata.get("executionMode", MODES[0]) not in MODES:
        yield f"executionMode: must be one of {', '.join(MODES)}"
    if metadata.get("policyType", "kubernetes") not in ("kubernetes", "raw"):
        yield "policyType: must be kubernetes or raw"
    if not isinstance(metadata.get("backgroundAudit", True), bool):
        yield "backgroundAudit: must be true or false"
    if metadata.get("protocolVersion") not in ("v1", "Unknown", None):
        yield "protocolVersion: must be v1 or Unknown"
    version = metadata.get("minimumKubewardenVersion")
    if version is not None and not (isinstance(version, str) and _VERSION.fullmatch(version)):
        yield f"minimumKubewardenVersion: must be a version of three numbers, such as 1.22.0, not {version}"
    if "rules" not in metadata:
        yield "rules: is missing (an empty rules: for a policy of type raw)"
    annotations = metadata.get("annotations")
    if not isinstance(annotations, Mapping | None):
        yield "annotations: must be a mapping"
        return
    for key, value in (annotations or {}).items():
        if not isinstance(value, str) and not (key == MATCH_CONDITIONS and isinstance(value, list)):
            yield f"annotations.{key}: must be text"
    yield from _grants(metadata)


def _grants(metadata: Mapping[str, object]) -> Iterator[str]:
    kinds = metadata.get("contextAwareResources")
    if not isinstance(kinds, list | None):
        yield "contextAwareResources: must be a list"
    for index, entry in enumerate(kinds if isinstance(kinds, list) else ()):
        where = f"contextAwareResources[{index}]"
        given = entry if isinstance(entry, Mapping) else {}
        for key in given:
            if key not in KIND_KEYS:
                yield f"{where}.{key}: unknown key{did_you_mean(str(key), KIND_KEYS)}"
        if not all(isinstance(given.get(key), str) and given[key] for key in KIND_KEYS):
            yield f"{where}: must have apiVersion and kind, both texts"
    patterns = metadata.get("hostCapabilities")
    if patterns is not None and not (isinstance(patterns, list) and all(isinstance(each, str) for each in patterns)):
        yield "hostCapabilities: must be a list of texts"


def _rules(rules: object) -> Iterator[str]:
    if rules is None:
        return
    if not isinstance(rules, list):
        yield "rules: must be a list"
        return
    for index, rule in enumerate(rules):
        where = f"rules[{index}]"
        if not isinstance(rule, Mapping):
            yield f"{where}: must be a mapping"
            continue
        for key in rule:
            if key not in (*RULE_KEYS, "scope"):
                yield f"{where}.{key}: unknown key"
        yield from _rule(rule, where)


def _rule(rule: Mapping[str, object], where: str) -> Iterator[str]:
    if rule.get("scope") is not None and rule["scope"] not in SCOPES:
        yield f"{where}.scope: {rule['scope']!r} is none of {', '.join(SCOPES)}"
    for key in RULE_KEYS:
        values = rule.get(key)
        at = f"{where}.{key}"
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            yield f"{at}: must be a list of texts"
        elif not values:
            yield f"{at}: must not be empty"
        elif key == "resources":
            yield from (f"{at}: {problem}" for problem in resource_problems(values))
        else:
            if "*" in values and len(values) > 1:
                yield f'{at}: "*" must stand alone'
            if key == "apiVersions" and "" in values:
                yield f"{at}: must not hold an empty text"
            if key == "operations":
                yield from (f"{at}: {value!r} is none of {', '.join(OPERATIONS)}"
                            for value in values if value not in OPERATIONS)  # fmt: skip


def resource_problems(resources: Sequence[str]) -> Iterator[str]:
    """The wildcards of webhook rules: what covers a later entry may not stand before it. The API server and kwctl look
    no further back than that: what they take in one order they refuse in the other."""
    if "" in resources:
        yield "must not hold an empty text"
    if "*/*" in resources and len(resources) > 1:
        yield '"*/*" must stand alone'
        return
    plain = [each for each in resources if "/" not in each]
    if "*" in plain and plain[-1] != "*":
        yield 'after "*" there must be no other resource without a subresource'
    pairs: set[tuple[str, str]] = set()
    for resource, _, subresource in (each.partition("/") for each in resources if "/" in each):
        if (resource, "*") in pairs:
            yield f'"{resource}/*" covers "{resource}/{subresource}"'
        if ("*", subresource) in pairs:
            yield f'"*/{subresource}" covers "{resource}/{subresource}"'
        pairs.add((resource, subresource))


# --- what a module's bytes say against its metadata

_CAPABILITY_WORDS = {
    b"v1/verify": "oci/v1/verify",
    b"v2/verify": "oci/v2/verify",
    b"v1/manifest_digest": "oci/v1/manifest_digest",
    b"v1/oci_manifest": "oci/v1/oci_manifest",
    b"v1/oci_manifest_config": "oci/v1/oci_manifest_config",
    b"v1/dns_lookup_host": "net/v1/dns_lookup_host",
    b"v1/is_certificate_trusted": "crypto/v1/is_certificate_trusted",
    b"list_resources_by_namespace": "kubernetes/list_resources_by_namespace",
    b"list_resources_all": "kubernetes/list_resources_all",
    b"get_resource": "kubernetes/get_resource",
    b"can_i": "kubernetes/can_i",
}


def capabilities_in(data: Iterable[bytes]) -> list[str]:
    """Host capabilities whose operations a module's data names: what it may call, as far as its bytes tell."""
    paths = set()
    for section in data:
        for word, path in _CAPABILITY_WORDS.items():
            if _has_word(section, word):
                paths.add(path)
    return sorted(paths)


def _has_word(section: bytes, word: bytes) -> bool:
    """Strings lie side by side in a data section, so what is longer and begins alike is told apart by hand."""
    at = section.find(word)
    while at >= 0:
        following = section[at + len(word) : at + len(word) + 1]
        if not (word == b"v1/oci_manifest" and following == b"_"):
            return True
        at = section.find(word, at + 1)
    return False


def capability_warnings(metadata: Mapping[str, Any], named: Iterable[str]) -> list[str]:
    """Where what a module seems to call and what its metadata declares differ."""
    declared = metadata.get("hostCapabilities")
    kinds = metadata.get("contextAwareResources") or []
    warnings = []
    reads = [path for path in named if path.startswith("kubernetes/") and path != "kubernetes/can_i"]
    if reads and not kinds:
        warnings.append(f"the module names {', '.join(reads)}, but contextAwareResources is empty")
    if declared is not None:
        missing = [path for path in named if not any(_covers(pattern.strip(), path) for pattern in declared)]
        if missing:
            warnings.append(f"the module names {', '.join(missing)}, which hostCapabilities does not declare")
    return warnings


def _covers(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("/*") and path.startswith(pattern[:-1]))


def is_rego(exports: Iterable[str]) -> bool:
    """Whether a module was compiled from Rego: OPA's exports begin so."""
    return any(name.startswith("opa_") for name in exports)


def mode_problem(mode: str, exports: Iterable[str]) -> str:
    """Why a module with these exports cannot be of that execution mode; "" when it can."""
    names = set(exports)
    if is_rego(names) and mode not in ("opa", "gatekeeper"):
        return f"the module is compiled from Rego, so its executionMode is opa or gatekeeper, not {mode}"
    if not is_rego(names) and mode in ("opa", "gatekeeper"):
        return f"executionMode is {mode}, but the module is not compiled from Rego (it exports no opa_...)"
    if mode == "kubewarden-wapc" and "__guest_call" not in names:
        return "executionMode is kubewarden-wapc, but the module does not export __guest_call"
    if mode == "wasi" and "_start" not in names:
        return "executionMode is wasi, but the module does not export _start"
    return ""
