"""Where a Pod may go: node selectors, affinity, spreading, tolerations, gates. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    part,
    required,
)
from edged.sandbox.validation.formats import dns_label, dns_subdomain, label_value, qualified_name
from edged.sandbox.validation.selectors import label_selector

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED, _PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))
_OPERATORS = ("Equal", "Exists")
_COMPARING = ("Equal", "Exists", "Lt", "Gt")
_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_POLICIES = ("Honor", "Ignore")
Check = Callable[[Object, str], Iterator[Cause]]


def affinity(given: Object | None, field: str) -> Iterator[Cause]:
    if given is None:
        return
    node = part(given, "nodeAffinity")
    if node.get(_REQUIRED) is not None:
        yield from node_selector(node[_REQUIRED], f"{field}.nodeAffinity.{_REQUIRED}")
    where = f"{field}.nodeAffinity.{_PREFERRED}"
    yield from _weighted(node.get(_PREFERRED) or [], "preference", _preference, where)
    for name in ("podAffinity", "podAntiAffinity"):
        terms = part(given, name)
        for index, term in enumerate(terms.get(_REQUIRED) or ()):
            yield from _pod_term(term, f"{field}.{name}.{_REQUIRED}[{index}]")
        where = f"{field}.{name}.{_PREFERRED}"
        yield from _weighted(terms.get(_PREFERRED) or [], "podAffinityTerm", _pod_term, where)


def node_selector(given: Object, field: str) -> Iterator[Cause]:
    """A NodeSelector, which PersistentVolumes have, too."""
    terms = given.get("nodeSelectorTerms") or []
    if not terms:
        yield required(f"{field}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from _term(term, True, f"{field}.nodeSelectorTerms[{index}]")


def tolerations(given: list[Object], field: str) -> Iterator[Cause]:
    for index, toleration in enumerate(given):
        where, key, value = f"{field}[{index}]", toleration.get("key") or "", toleration.get("value") or ""
        operator, effect = toleration.get("operator") or "", toleration.get("effect") or ""
        if key:
            yield from each_invalid(f"{where}.key", key, qualified_name(key))
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(f"{where}.operator", operator, why)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            yield invalid(f"{where}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        yield from _operator(operator, value, f"{where}.operator")
        if effect and effect not in EFFECTS:
            yield not_supported(f"{where}.effect", effect, EFFECTS)


def spread_constraints(given: list[Object], field: str) -> Iterator[Cause]:
    """Of pairs of key and action that are there twice, all but the last are told."""
    pairs = [(each.get("topologyKey") or "", each.get("whenUnsatisfiable") or "") for each in given]
    last = {pair: index for index, pair in enumerate(pairs)}
    for index, constraint in enumerate(given):
        where, (key, action) = f"{field}[{index}]", pairs[index]
        skew = constraint.get("maxSkew") or 0
        if skew <= 0:
            yield invalid(f"{where}.maxSkew", skew, "must be greater than zero")
        if not key:
            yield required(f"{where}.topologyKey", "can not be empty")
        if action not in _ACTIONS:
            yield not_supported(f"{where}.whenUnsatisfiable", action, _ACTIONS)
        if last[pairs[index]] != index:
            yield duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        yield from _domains(constraint.get("minDomains"), action, f"{where}.minDomains")
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if constraint.get(name) is not None and constraint[name] not in _POLICIES:
                yield not_supported(f"{where}.{name}", constraint[name], _POLICIES)
        yield from _label_keys(constraint, where)
        yield from label_selector(constraint.get("labelSelector"), f"{where}.labelSelector")


def scheduling_gates(given: list[Object], field: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, gate in enumerate(given):
        name = gate.get("name") or ""
        yield from each_invalid(f"{field}[{index}]", name, qualified_name(name))
        if name in seen:
            yield duplicate(f"{field}[{index}]", name)
        seen.add(name)


def readiness_gates(given: list[Object], field: str) -> Iterator[Cause]:
    for index, gate in enumerate(given):
        name = gate.get("conditionType") or ""
        yield from each_invalid(f"{field}[{index}].conditionType", name, qualified_name(name))


def _weighted(given: list[Object], name: str, check: Check, field: str) -> Iterator[Cause]:
    for index, each in enumerate(given):
        weight = each.get("weight") or 0
        if not 0 < weight <= 100:
            yield invalid(f"{field}[{index}].weight", weight, "must be in the range 1-100")
        yield from check(each.get(name) or {}, f"{field}[{index}].{name}")


def _preference(term: Object, field: str) -> Iterator[Cause]:
    return _term(term, False, field)


def _term(term: Object, values_too: bool, field: str) -> Iterator[Cause]:
    """`values_too`: whether values have to be labels; of preferences that is a warning only."""
    for index, requirement in enumerate(term.get("matchExpressions") or ()):
        yield from _expression(requirement, values_too, f"{field}.matchExpressions[{index}]")
    for index, requirement in enumerate(term.get("matchFields") or ()):
        yield from _match_field(requirement, f"{field}.matchFields[{index}]")


def _expression(given: Object, values_too: bool, field: str) -> Iterator[Cause]:
    operator, values, key = given.get("operator") or "", given.get("values") or [], given.get("key") or ""
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield forbidden(f"{field}.values", why)
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            yield required(f"{field}.values", why)
    else:
        yield invalid(f"{field}.operator", operator, "not a valid selector operator")
    yield from each_invalid(f"{field}.key", key, qualified_name(key))
    for index, value in enumerate(values if values_too else ()):
        yield from each_invalid(f"{field}.values[{index}]", value, label_value(value))


def _match_field(given: Object, field: str) -> Iterator[Cause]:
    operator, values, key = given.get("operator") or "", given.get("values") or [], given.get("key") or ""
    if operator not in ("In", "NotIn"):
        yield invalid(f"{field}.operator", operator, "not a valid selector operator")
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{field}.values", why)
    if key != "metadata.name":
        yield invalid(f"{field}.key", key, "not a valid field selector key")
        return
    for index, value in enumerate(values):
        yield from each_invalid(f"{field}.values[{index}]", value, dns_subdomain(value))


def _pod_term(term: Object, field: str) -> Iterator[Cause]:
    key = term.get("topologyKey") or ""
    yield from label_selector(term.get("labelSelector"), f"{field}.labelSelector")
    yield from label_selector(term.get("namespaceSelector"), f"{field}.namespaceSelector")
    for name in term.get("namespaces") or ():
        yield from each_invalid(f"{field}.namespace", name, dns_label(name))
    yield from _label_keys(term, field)
    if not key:
        yield required(f"{field}.topologyKey", "can not be empty")
    yield from each_invalid(f"{field}.topologyKey", key, qualified_name(key))


def _label_keys(given: Object, field: str) -> Iterator[Cause]:
    """matchLabelKeys and mismatchLabelKeys. A new Pod's selector has the keys already, so twice is once too much."""
    selector, wanted, unwanted = (given.get(n) for n in ("labelSelector", "matchLabelKeys", "mismatchLabelKeys"))
    for name, keys in (("matchLabelKeys", wanted), ("mismatchLabelKeys", unwanted)):
        if keys and selector is None:
            yield forbidden(f"{field}.{name}", "must not be specified when labelSelector is not set")
        elif keys:
            for index, key in enumerate(keys):
                yield from each_invalid(f"{field}.{name}[{index}]", key, qualified_name(key))
    if selector is not None:
        places = {key: index for index, key in enumerate(wanted or ())}
        seen = set(selector.get("matchLabels") or ())
        for expression in selector.get("matchExpressions") or ():
            key = expression.get("key") or ""
            if key in places and key in seen:
                yield invalid(f"{field}[{places[key]}]", key, "exists in both matchLabelKeys and labelSelector")
            seen.add(key)
    both = set(unwanted or ())
    for index, key in enumerate(wanted or ()):
        if key in both:
            why = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield invalid(f"{field}.matchLabelKeys[{index}]", key, why)


def _domains(count: int | None, action: str, field: str) -> Iterator[Cause]:
    if count is None:
        return
    if count <= 0:
        yield invalid(field, count, "must be greater than zero")
    if action != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        yield invalid(field, count, why)


def _operator(operator: str, value: str, field: str) -> Iterator[Cause]:
    """Comparing operators need a feature that is off by default."""
    if operator in ("", "Equal"):
        if wrong := label_value(value):
            yield invalid(field, value, ";".join(wrong))
    elif operator == "Exists":
        if value:
            yield invalid(field, value, "value must be empty when `operator` is 'Exists'")
    else:
        yield not_supported(field, operator, _COMPARING if operator in ("Lt", "Gt") else _OPERATORS)
