"""Whether the API server takes an entry of `webhooks`: admissionregistration's validation, offline. Pure.

One entry that the API server refuses costs the whole object, and in a manifest on its disk the API server itself, which
then does not start. So every type is looked at, whoever wrote the value, and nothing passes that is not known to be
right. Whether a CEL expression compiles is not asked here. Used by webhooks.py for each entry that it makes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from edged.kube.values.name_checks import SUBDOMAIN_TEXT, qualified_name_problem, subdomain_problem
from edged.kube.values.selector_checks import label_selector_problem, shown, unknown_key

MAX_CONDITIONS = 64
OPERATIONS = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
SCOPES = ("*", "Cluster", "Namespaced")
_CHOICES = {
    "failurePolicy": ("Fail", "Ignore"),
    "matchPolicy": ("Equivalent", "Exact"),
    "sideEffects": ("None", "NoneOnDryRun"),
    "reinvocationPolicy": ("Never", "IfNeeded"),
}
_LISTS = ("apiGroups", "apiVersions", "operations", "resources")
_KEYS = (
    "name", "clientConfig", "rules", "failurePolicy", "matchPolicy", "namespaceSelector", "objectSelector",
    "sideEffects", "timeoutSeconds", "admissionReviewVersions", "matchConditions",
)  # fmt: skip
_KEYS_OF_MUTATING = (*_KEYS, "reinvocationPolicy")
_URL = re.compile(r"https://([-A-Za-z0-9._]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/([-A-Za-z0-9._~!$&'()*+,;=:@/]|%[0-9A-F]{2})*)?")
"""A part of what Go reads as a URL, with all that edged writes into one."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_CONDITION_KEYS = ("name", "expression")


def entry_problem(hook: Mapping[str, Any], *, mutating: bool) -> str:
    """`FIELD: what`, for the first thing that the API server would refuse; "" when there is none. `hook` has every
    field written out."""
    if strange := unknown_key(hook, _KEYS_OF_MUTATING if mutating else _KEYS):
        return strange
    return (
        name_problem(hook.get("name"))
        or _url_problem(hook.get("clientConfig"))
        or _rules_problem(hook.get("rules"))
        or _choices_problem(hook, mutating)
        or _selectors_problem(hook)
        or conditions_problem(hook.get("matchConditions", ()))
    )


def name_problem(name: object) -> str:
    """Of a webhook's name: a fully qualified DNS name."""
    if subdomain_problem(name) or str(name).count(".") < 2:
        return f"{shown(name)} cannot name a webhook: it {SUBDOMAIN_TEXT} with at least three parts"
    return ""


def _url_problem(config: object) -> str:
    if not isinstance(config, Mapping) or unknown_key(config, ("url", "caBundle")):
        return "clientConfig: must have a url, and at most a caBundle"
    url, bundle = config.get("url"), config.get("caBundle", "")
    if not isinstance(url, str) or not _URL.fullmatch(url):
        return f"clientConfig.url: {shown(url)} is no URL"
    if not isinstance(bundle, str) or not _BASE64.fullmatch(bundle) or len(bundle) % 4:
        return "clientConfig.caBundle: must be in base64"
    return url_problem(url)


def url_problem(url: str) -> str:
    """Why a `clientConfig.url` could not begin like this; "" when it could."""
    try:
        parts = urlsplit(url)
        complete = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        return f"webhook URL {url!r}: expected https://HOST[:PORT][/PATH]"
    if parts.query or parts.fragment or parts.username is not None:
        return f"webhook URL {url!r}: user, query and fragment are not allowed"
    return ""


def _choices_problem(hook: Mapping[str, Any], mutating: bool) -> str:
    for key, values in _CHOICES.items():
        value = hook.get(key)
        if key == "reinvocationPolicy" and not mutating:
            continue
        if not isinstance(value, str) or value not in values:
            return f"{key}: {shown(value)} is none of {', '.join(values)}"
    timeout_s = hook.get("timeoutSeconds")
    if type(timeout_s) is not int or not 1 <= timeout_s <= 30:
        return f"timeoutSeconds: {shown(timeout_s)} is not from 1 to 30"
    if hook.get("admissionReviewVersions") != ["v1"]:
        return "admissionReviewVersions: must be v1"
    return ""


def _selectors_problem(hook: Mapping[str, Any]) -> str:
    for key in ("namespaceSelector", "objectSelector"):
        if problem := label_selector_problem(hook.get(key)):
            return f"{key}: {problem}"
    return ""


# --- match conditions


def conditions_problem(conditions: object) -> str:
    """Of `matchConditions`: their number, names and shape."""
    if not isinstance(conditions, list | tuple):
        return "matchConditions: must be a list"
    if len(conditions) > MAX_CONDITIONS:
        return f"matchConditions: {len(conditions)} of them, and at most {MAX_CONDITIONS} are allowed"
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        if problem := _condition_problem(condition, names):
            return f"matchConditions[{index}]{problem}"
        names.add(condition["name"])
    return ""


def _condition_problem(condition: object, names: set[str]) -> str:
    if not isinstance(condition, Mapping):
        return ": must be an object"
    if strange := unknown_key(condition, _CONDITION_KEYS):
        return f": {strange}"
    name, expression = condition.get("name"), condition.get("expression")
    if problem := qualified_name_problem(name):
        return f".name: {shown(name)} {problem}"
    if name in names:
        return f".name: {shown(name)} is the name of another condition"
    if not isinstance(expression, str) or not expression.strip():
        return ".expression: must be a CEL expression"
    return "" if is_unicode(expression) else ".expression: is not valid Unicode"


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: no half of a surrogate pair is in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- rules


def _rules_problem(rules: object) -> str:
    if not isinstance(rules, list | tuple):
        return "rules: must be a list"
    for index, rule in enumerate(rules):
        if problem := rule_problem(rule) or unknown_key(rule, (*_LISTS, "scope")):
            return f"rules[{index}]: {problem}"
    return ""


def rule_problem(rule: object) -> str:
    """Of one RuleWithOperations, as far as edged takes it over: keys that it does not know are left out."""
    if not isinstance(rule, Mapping):
        return "must be an object"
    for key in _LISTS:
        if problem := _list_problem(key, rule.get(key)):
            return problem
    strange_operations = [operation for operation in rule["operations"] if operation not in OPERATIONS]
    if strange_operations:
        return f"operation {shown(strange_operations[0])} is none of {', '.join(OPERATIONS)}"
    scope = rule.get("scope")
    if scope is not None and (not isinstance(scope, str) or scope not in ("", *SCOPES)):
        return f"scope {shown(scope)} is none of {', '.join(SCOPES)}"
    return _resources_problem(rule["resources"])


def _list_problem(key: str, values: object) -> str:
    if not isinstance(values, list | tuple) or not values or not all(isinstance(value, str) for value in values):
        return f"{key} must be a list of at least one string"
    if not all(map(is_unicode, values)):
        return f"{key}: is not valid Unicode"
    if key != "apiGroups" and "" in values:
        return f"{key} may not contain an empty string"
    if key != "resources" and "*" in values and len(values) > 1:
        return f"{key}: '*' must stand alone"
    return ""


def _resources_problem(resources: Sequence[str]) -> str:
    """Overlaps that the API server calls ambiguous."""
    if "*/*" in resources and len(resources) > 1:
        return "resources: '*/*' must stand alone"
    named, seen = set(resources), set[str]()
    for entry in resources:
        base, slash, sub = entry.partition("/")
        if not slash and entry != "*" and "*" in named:
            return f"resources: '*' covers {shown(entry)} already"
        for wide in (f"{base}/*", f"*/{sub}") if slash else ():
            if wide in named and (wide != entry or wide in seen):
                return f"resources: {shown(wide)} covers {shown(entry)} already"
        seen.add(entry)
    return ""
