"""Whom each shared webhook calls in the revisions that the API server may go by, and by which rules. Pure.

A webhook's name says which policies it calls only where it has one. So a revision (revisions.py) also names each member
of each shared webhook, as `WEBHOOK/DIGEST/POLICY`, where the digest stands for the policy's registration as it was.
A policy that moves to another webhook is asked at both while the API server may go by either: at the former by the
rules that it had there, since by those the API server chose the version in which the object comes.

The same is what is known of a policy's rules when its module cannot be read after a restart. Used by registration.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from edged.admission.endpoint.revisions import Key
from edged.admission.rules.shared_webhooks import key_in
from edged.admission.rules.webhook_check import conditions_problem, rule_problem
from edged.admission.rules.webhook_members import members_in
from edged.admission.rules.webhooks import WebhookSpec
from edged.json_text import dumps
from edged.kube.values.selector_checks import label_selector_problem

Encoded = Mapping[str, Any]
"""A WebhookSpec as JSON."""
_FIELDS = tuple(each.name for each in fields(WebhookSpec) if each.name not in ("path", "is_own", "is_lost"))
_TEXTS = ("name", "namespace", "failure_policy", "match_policy", "side_effects", "reinvocation_policy", "hook_name")


class Memberships:
    """Grows with `keys` and `recall`, shrinks with `keep`."""

    def __init__(self) -> None:
        self._specs: dict[str, WebhookSpec] = {}  # by digest
        self._keys: dict[str, dict[str, tuple[str, str]]] = {}  # webhook -> key -> (policy, digest)

    def keys(self, members: Mapping[str, Sequence[WebhookSpec]]) -> list[str]:
        """Name of a shared webhook -> its members; what a revision names of them."""
        made = []
        for hook, specs in members.items():
            for spec in specs:
                digest = _digest(spec)
                self._specs.pop(digest, None)  # what was offered last is kept longest
                self._specs[digest] = spec
                made.append(f"{hook}/{digest}/{spec.name}")
        self._index(made)
        return made

    def recall(self, keys: Iterable[Key], encoded: Mapping[str, object]) -> None:
        """What a former life offered. A registration that cannot be read is one of which nothing is known."""
        self._index(keys)
        for digest, content in encoded.items():
            spec = _decoded(content)
            if spec is not None:
                self._specs[digest] = spec

    def found(self, live: Iterable[Mapping[str, Any]]) -> list[str]:
        """What these objects say of members that nothing is known of, as keys: the state directory may be lost."""
        return self.keys({hook: [spec for spec in specs if spec.name not in self._names_in(hook)]
                          for hook, specs in members_in(live).items()})  # fmt: skip

    def _names_in(self, hook: str) -> set[str]:
        return {name for name, _ in self._keys.get(hook, {}).values()}

    def keep(self, keys: Iterable[Key]) -> None:
        """The API server may go by these, and by no others."""
        self._keys = {}
        self._index(keys)
        used = {digest for known in self._keys.values() for _, digest in known.values()}
        self._specs = {digest: spec for digest, spec in self._specs.items() if digest in used}

    def encoded(self) -> dict[str, Encoded]:
        """For the next life: by digest."""
        return {digest: _encoded(spec) for digest, spec in self._specs.items()}

    def keys_of(self, hook: str) -> list[str]:
        """All that is known of that webhook."""
        return list(self._keys.get(hook, ()))

    def of(self, hook: str, is_relied_on: Callable[[str], bool]) -> dict[str, list[WebhookSpec]]:
        """Policy -> its registrations in that webhook, those that are relied on. Of one that nothing is known of the
        rules are None."""
        found: dict[str, list[WebhookSpec]] = {}
        for key, (name, digest) in self._keys.get(hook, {}).items():
            if is_relied_on(key):
                found.setdefault(name, []).append(self._specs.get(digest) or WebhookSpec(name, None))
        return found

    def filled(self, specs: Iterable[WebhookSpec], keys: Iterable[Key]) -> list[WebhookSpec]:
        """With the rules that were offered last, where they are not known. `keys`: what is relied on, the last one
        last."""
        specs = list(specs)
        if not any(map(_is_unknown, specs)):
            return specs
        last = {found[1]: self._specs[found[2]] for key in keys if (found := _parts(key)) and found[2] in self._specs}
        return [_filled(spec, last.get(spec.name)) if _is_unknown(spec) else spec for spec in specs]

    def _index(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if found := _parts(key):
                hook, name, digest = found
                self._keys.setdefault(hook, {})[str(key)] = (name, digest)


def _parts(key: Key) -> tuple[str, str, str] | None:
    """(webhook, policy, digest), of keys that are one."""
    if not isinstance(key, str):
        return None
    hook, _, rest = key.partition("/")
    digest, slash, name = rest.partition("/")
    return (hook, name, digest) if slash and name and key_in(hook) else None


def _is_unknown(spec: WebhookSpec) -> bool:
    """Whether the module says something of it that nobody could read."""
    return spec.rules is None or spec.module_conditions is None


def _filled(spec: WebhookSpec, known: WebhookSpec | None) -> WebhookSpec:
    """Only what the module says is taken over; all of it for a policy of which there is only the name."""
    if known is None or spec.is_lost:
        return known or spec
    if spec.rules is None:
        spec = replace(spec, rules=known.rules, mutating=known.mutating)
    return replace(spec, module_conditions=known.module_conditions) if spec.module_conditions is None else spec


def _digest(spec: WebhookSpec) -> str:
    return hashlib.sha256(dumps(_encoded(spec), sort=True)).hexdigest()[:20]


def _encoded(spec: WebhookSpec) -> Encoded:
    return {name: getattr(spec, name) for name in _FIELDS}


def _decoded(content: object) -> WebhookSpec | None:
    """None for what this version would not have written."""
    if not isinstance(content, dict) or content.keys() != set(_FIELDS):
        return None
    rules, conditions = content["rules"], content["match_conditions"]
    of_module = content["module_conditions"]
    timeout_s, webhook_timeout_s = content["timeout_s"], content["webhook_timeout_s"]
    is_right = (
        all(isinstance(content[name], str) for name in _TEXTS)
        and all(type(content[name]) is bool for name in ("mutating", "monitor"))
        and type(timeout_s) in (int, float)
        and (webhook_timeout_s is None or type(webhook_timeout_s) is int)
        and isinstance(rules, list)
        and not any(map(rule_problem, rules))
        and not conditions_problem(conditions)
        and (of_module is None or not conditions_problem(of_module))
        and not label_selector_problem(content["namespace_selector"])
        and not label_selector_problem(content["object_selector"])
    )
    if not is_right:
        return None
    of_module = None if of_module is None else tuple(of_module)
    return WebhookSpec(**{**content, "match_conditions": tuple(conditions), "module_conditions": of_module})
