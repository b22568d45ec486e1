"""What a CustomResourceDefinition is refused for, but for its schemas. Pure.

Source: apiextensions-apiserver's apis/apiextensions/validation. It checks the internal form, where what all versions
have in common stands in spec: so do the paths of its findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edged.sandbox.custom import causes
from edged.sandbox.custom.conversion_checks import conversion_causes
from edged.sandbox.custom.custom_definitions import APPROVED, approval_state, is_protected, is_true
from edged.sandbox.custom.pruning import Object
from edged.sandbox.custom.schema_checks import SchemaOptions, has_defaults, schema_causes
from edged.sandbox.custom.version_checks import column_causes, scale_causes, selectable_causes
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import immutable, not_supported
from edged.sandbox.validation.formats import dns_1035_label, dns_subdomain

_SHARED = {
    "schema": "validation", "subresources": "subresources", "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}  # fmt: skip
"""Field of a version -> field of the internal spec."""


def definition_causes(crd: Object, old: Object | None, subresource: str = "") -> Iterator[Cause]:
    """Everything but metadata, besides the name."""
    spec = crd.get("spec") or {}
    if subresource == "status":
        yield from _names((crd.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")
        return
    names = spec.get("names") or {}
    name, wanted = crd["metadata"].get("name") or "", f"{names.get('plural') or ''}.{spec.get('group') or ''}"
    if old is None and name not in ("", wanted):
        yield causes.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _spec(spec, old)
    if old is not None:
        yield from _fixed(spec, old)
    status = crd.get("status") or {}
    yield from _names(status.get("acceptedNames") or {}, "status.acceptedNames")
    yield from _stored_versions(status.get("storedVersions") or [], spec.get("versions") or [])
    yield from _approval(crd, old)
    before = ((old or {}).get("spec") or {}).get("preserveUnknownFields")
    if spec.get("preserveUnknownFields") and not before:
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield causes.invalid("spec.preserveUnknownFields", True, why)


@dataclass(frozen=True, slots=True)
class _Part:
    """A field that all versions have in common, or one version's. `path` of the field, `where` without its name."""

    name: str
    value: Any
    where: str
    version: Object

    @property
    def path(self) -> str:
        return f"{self.where}.{self.name}"


def _parts(spec: Object) -> tuple[list[_Part], list[list[_Part]]]:
    """Of spec, and of each version."""
    versions = spec.get("versions") or []
    shared, own = list[_Part](), [list[_Part]() for _each in versions]
    for field, name in _SHARED.items():
        values = [each.get(field) for each in versions]
        if values and all((value or None) == (values[0] or None) for value in values):
            shared.append(_Part(name, values[0], "spec", versions[0]))
            continue
        for index, value in enumerate(values):
            own[index].append(_Part(field, value, f"spec.versions[{index}]", versions[index]))
    return shared, own


def _spec(spec: Object, old: Object | None) -> Iterator[Cause]:
    yield from _group(spec.get("group") or "")
    scope = spec.get("scope") or ""
    if not scope:
        yield causes.required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", scope, ("Cluster", "Namespaced"))
    versions = spec.get("versions") or []
    schemas = [(each.get("schema") or {}).get("openAPIV3Schema") for each in versions]
    for index, schema in enumerate(schemas):
        if schema is None:
            yield causes.required(f"spec.versions[{index}].schema.openAPIV3Schema")
    if spec.get("preserveUnknownFields") and any(map(has_defaults, schemas)):
        yield causes.invalid("spec.preserveUnknownFields", True, "must be false in order to use defaults in the schema")
    shared, own = _parts(spec)
    options = SchemaOptions.of_update(spec, (old or {}).get("spec"))
    for index, version in enumerate(versions):
        yield from _version(version, f"spec.versions[{index}]", own[index], options)
    yield from _version_list(spec, versions, shared)
    yield from _required_names(spec.get("names") or {})
    yield from _names(spec.get("names") or {}, "spec.names")
    for part in shared:
        yield from _part(part, options, shared)
    yield from conversion_causes(spec.get("conversion") or {}, "spec.conversion")


def _group(group: str) -> Iterator[Cause]:
    if not group:
        yield causes.required("spec.group")
    elif wrong := dns_subdomain(group):
        yield causes.invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        yield causes.invalid("spec.group", group, "should be a domain with at least one dot")


def _version(version: Object, path: str, own: list[_Part], options: SchemaOptions) -> Iterator[Cause]:
    if wrong := dns_1035_label(version.get("name") or ""):
        yield causes.invalid(f"{path}.name", version.get("name") or "", ",".join(wrong))
    yield from _deprecation(version, f"{path}.deprecationWarning")
    for part in own:
        yield from _part(part, options, own)


def _deprecation(version: Object, path: str) -> Iterator[Cause]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        yield causes.invalid(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > 256:
        yield causes.invalid(path, text, "must be <= 256 characters long")
    if not text:
        yield causes.invalid(path, text, "must not be an empty string")
    for index, character in enumerate(text):
        if not character.isprintable():
            at = len(text[:index].encode())
            why = f"must only contain printable UTF-8 characters; non-printable character found at index {at}"
            yield causes.invalid(path, text, why)
            return


def _version_list(spec: Object, versions: list[Object], shared: list[_Part]) -> Iterator[Cause]:
    names = [each.get("name") for each in versions]
    shown = [_internal(each, {part.name for part in shared}) for each in versions]
    value = causes.Written(f"[{','.join(shown)}]" if spec.get("versions") is not None else "null")
    if len(set(names)) < len(names):
        yield causes.invalid("spec.versions", value, "must contain unique version names")
    if sum(bool(each.get("storage")) for each in versions) != 1:
        yield causes.invalid("spec.versions", value, "must have exactly one version marked as storage version")
    if versions and names[0] and (wrong := dns_1035_label(names[0])):
        yield causes.invalid("spec.version", names[0], ",".join(wrong))


def _internal(version: Object, shared: set[str]) -> str:
    """A version as Go writes its internal form, of which nothing has a name in JSON."""
    def json(value: object) -> str:
        return causes.go_json(value)

    fields = {
        "Name": json(version.get("name") or ""), "Served": json(bool(version.get("served"))),
        "Storage": json(bool(version.get("storage"))), "Deprecated": json(bool(version.get("deprecated"))),
        "DeprecationWarning": json(version.get("deprecationWarning")), "Schema": "null", "Subresources": "null",
        "AdditionalPrinterColumns": "null", "SelectableFields": "null",
    }  # fmt: skip
    return "{" + ",".join(f'"{name}":{text}' for name, text in fields.items()) + "}"


def _required_names(names: Object) -> Iterator[Cause]:
    for field in ("plural", "singular", "kind", "listKind"):
        if not names.get(field):
            yield causes.required(f"spec.names.{field}")


def _names(names: Object, path: str) -> Iterator[Cause]:
    for field in ("plural", "singular", "kind", "listKind"):
        name, mixed = names.get(field) or "", field in ("kind", "listKind")
        wrong = dns_1035_label(name.lower() if mixed else name) if name else []
        if wrong:
            before = "may have mixed case, but should otherwise match: " if mixed else ""
            yield causes.invalid(f"{path}.{field}", name, before + ",".join(wrong))
    for index, name in enumerate(names.get("shortNames") or ()):
        if wrong := dns_1035_label(name):
            yield causes.invalid(f"{path}.shortNames[{index}]", name, ",".join(wrong))
    if names.get("kind") and names["kind"] == names.get("listKind"):
        yield causes.invalid(f"{path}.listKind", names["listKind"], "kind and listKind may not be the same")
    for index, name in enumerate(names.get("categories") or ()):
        if wrong := dns_1035_label(name):
            yield causes.invalid(f"{path}.categories[{index}]", name, ",".join(wrong))


def _part(part: _Part, options: SchemaOptions, beside: list[_Part]) -> Iterator[Cause]:
    match part.name:
        case "schema" | "validation":
            schema = (part.value or {}).get("openAPIV3Schema")
            if schema is not None:
                status = (part.version.get("subresources") or {}).get("status") is not None
                yield from schema_causes(
                    schema, f"{part.path}.openAPIV3Schema", status=status,
                    unchanged=part.version.get("name") in options.unchanged,
                )  # fmt: skip
        case "subresources":
            scale = (part.value or {}).get("scale")
            if scale is not None:
                yield from scale_causes(scale, f"{part.path}.scale")
        case "additionalPrinterColumns":
            for index, column in enumerate(part.value or ()):
                yield from column_causes(column, f"{part.path}[{index}]")
        case "selectableFields":
            schema = (part.version.get("schema") or {}).get("openAPIV3Schema") or {}
            yield from selectable_causes(part.value or [], schema, part.path)


# --- updates, and the rest


def _fixed(spec: Object, old: Object) -> Iterator[Cause]:
    before, names, old_names = old["spec"], spec.get("names") or {}, old["spec"]["names"]
    if is_true(old, "Established"):
        if spec.get("scope") != before.get("scope"):
            yield immutable("spec.scope", spec.get("scope"))
        if names.get("kind") != old_names.get("kind"):
            yield immutable("spec.names.kind", names.get("kind"))
    if spec.get("group") != before.get("group"):
        yield immutable("spec.group", spec.get("group"))
    if names.get("plural") != old_names.get("plural"):
        yield immutable("spec.names.plural", names.get("plural"))


def _stored_versions(stored: list[str], versions: list[Object]) -> Iterator[Cause]:
    path, names = "status.storedVersions", [each.get("name") for each in versions]
    if not stored:
        yield causes.invalid(path, None, "must have at least one stored version")
        return
    left = set(stored)
    for each in versions:
        known = each.get("name") in left
        left.discard(str(each.get("name")))
        if each.get("storage") and not known:
            yield causes.invalid(path, stored, f"must have the storage version {each.get('name')}")
    for index, name in enumerate(stored):
        if name not in names:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            yield causes.invalid(f"{path}[{index}]", name, why)


def _approval(crd: Object, old: Object | None) -> Iterator[Cause]:
    if not is_protected((crd.get("spec") or {}).get("group") or ""):
        return
    state, reason = approval_state(crd)
    if old is not None and approval_state(old)[0] == state:
        return
    path = f"metadata.annotations[{APPROVED}]"
    if state == "Missing":
        yield causes.required(path, reason)
    elif state == "Invalid":
        yield causes.invalid(path, crd["metadata"]["annotations"][APPROVED], reason)
