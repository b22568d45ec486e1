"""Looks for a request that a module's match conditions keep from it, and that it would not have let pass in silence.

The author of such conditions promises that there is none (docs/match-conditions.md). Tried are the requests of test
cases, recorded reviews, and objects made by chance for the kinds of the policy's rules. Only what the conditions leave
out is asked about. Called by test.py and bench.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, Final

from edged.admission.host.policy import Policy
from edged.admission.rules.module_conditions import own_names
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.cli.documents import documents
from edged.cli.policy.evaluator import Evaluator, Failures, Lines
from edged.cli.policy.generated_objects import named_in, objects
from edged.cli.policy.requests import Circumstances, objects_of, plural_of, request_of
from edged.cli.policy.sessions import Session
from edged.json_text import dumps
from edged.kube.cel.conditions import decide

WHOLE_OBJECT: Final = ("", "status", "ephemeralcontainers", "resize")
"""Subresources whose requests carry the whole object."""
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to try, and where it is from. `session`: answers to the policy's host calls. `is_whole`: whether an API
    server would send it; in objects that people write fields are missing, or null, that never are."""

    request: AdmissionRequest
    source: str
    session: Session | None = None
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Counterexample:
    """`condition` does not hold for the request, or cannot be evaluated because of an `error`, and the policy `says`
    something."""

    policy: str
    condition: str
    says: str
    asked: Asked
    error: str = ""

    def __str__(self) -> str:
        failed = f" where the failure policy is Ignore, because it cannot be evaluated: {self.error};"
        why = failed if self.error else ","
        return (f"policy {self.policy}: condition {self.condition} keeps a request from it{why} but the policy "
                f"{self.says} ({self.asked.source}): {dumps(self.asked.request.payload).decode()}")  # fmt: skip


async def search(evaluator: Evaluator, policy: Policy, tried: Iterable[Asked]) -> Counterexample | None:
    """The first one; None where there is none among these."""
    conditions = own_names(policy.module_conditions or ())
    for asked in tried:
        name, error = kept_away(conditions, variables_of(asked.request))
        if error and not asked.is_whole:
            continue
        if name and (says := await _says(evaluator, policy, asked)):
            return Counterexample(policy.name, name, says, asked, error)
    return None


def kept_away(conditions: Sequence[Mapping[str, str]], variables: Mapping[str, object]) -> tuple[str, str]:
    """The name of a condition that keeps the request from the policy, and why it could not be evaluated or "". One that
    is false wins over those that fail, which do so under failurePolicy Ignore. ("", "") where the policy is asked."""
    verdict = decide(conditions, variables)
    if verdict.false is not None or not verdict.failed:
        return verdict.false or "", ""
    condition, why = verdict.failed[0]
    return condition["name"], why


def variables_of(request: AdmissionRequest) -> dict[str, Any]:
    """What conditions read, with what an API server never leaves out."""
    payload = request.payload
    texts = dict.fromkeys(("subResource", "requestSubResource", "name", "namespace", "operation"), "")
    user = {"username": "", "uid": "", "groups": [], "extra": {}}
    given = payload if isinstance(payload, dict) else {}
    seen = {key: value for key, value in given.items() if key not in ("object", "oldObject") and value is not None}
    seen["userInfo"] = {**user, **(seen.get("userInfo") or {})}
    return {
        "object": given.get("object"),
        "oldObject": given.get("oldObject"),
        "request": {**texts, "dryRun": False, "options": {}, **seen},
    }


async def _says(evaluator: Evaluator, policy: Policy, asked: Asked) -> str:
    """What the policy does to the request; "" where it lets it pass, or cannot be asked without a cluster."""
    session = asked.session.fresh() if asked.session is not None else Session()
    failures = Failures()
    lines = Lines(show=False, keep=False)
    admission = evaluator.admission({policy.name: policy}, lines, session, observers=(failures,))
    response = await admission.review(policy.name, asked.request)
    return "" if session.missing else said(response, failures.last)


def said(response: AdmissionResponse, failure: str) -> str:
    """In words; "" for an answer that is as if the policy had not been asked."""
    if failure:
        return f"fails on it: {failure}"
    if not response.allowed:
        return f"rejects it: {(response.status or {}).get('message') or 'without a message'}"
    if response.patch:
        return "changes it"
    if response.warnings:
        return f"warns of it: {response.warnings[0]}"
    return "adds audit annotations" if response.audit_annotations else ""


# --- what is tried besides test cases


def recorded(paths: Sequence[str], policy: Policy) -> Iterator[Asked]:
    """The requests in these files, reviews or objects; those of a policy of type raw are no reviews. Raises
    ConfigError."""
    if not paths or policy.metadata.policy_type == "raw":
        return
    for document, where in documents(paths):
        for each, place in objects_of(document, where):
            if each is not None:
                yield Asked(request_of(each, place), place)


def generated(policy: Policy, number: int) -> Iterator[Asked]:
    """So many requests for each kind and operation that the rules of module and policy name; none for kinds that are
    not built in."""
    from edged.sandbox.kinds.go_types import GoTypes

    named = named_in(each["expression"] for each in policy.module_conditions or ())
    types = GoTypes.load()
    for api_version, kind, subresource, operation in targets((*policy.metadata.rules, *(policy.config.rules or ()))):
        rng = Random(f"{SEED} {kind} {subresource} {operation}")
        made = objects(types, api_version, kind, named, rng)
        for count, obj in enumerate(islice(made, number), 1):
            circumstances = Circumstances(operation=operation, subresource=subresource, namespace="team")
            what = f"a generated {kind}, {operation}, number {count}"
            yield Asked(request_of(obj, what, circumstances), what, is_whole=True)


def targets(rules: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """(apiVersion, kind, subresource, operation) of built-in kinds that these rules name, each once. A wildcard for all
    resources is tried with Pods and Deployments."""
    found: dict[tuple[str, str, str, str], None] = {}
    for rule in rules:
        operations = ("CREATE", "UPDATE", "DELETE") if "*" in rule["operations"] else rule["operations"]
        for resource in rule["resources"]:
            plural, _, subresource = resource.partition("/")
            for api_version, kind in _kinds(rule, plural) if subresource in WHOLE_OBJECT else ():
                for operation in operations:
                    if operation in ("CREATE", "UPDATE", "DELETE"):
                        found[api_version, kind, subresource, operation] = None
    return list(found)


def _kinds(rule: Mapping[str, Any], plural: str) -> Iterator[tuple[str, str]]:
    from edged.sandbox.kinds.builtin_kinds import builtin_plurals

    for api_version, kind in builtin_plurals():
        group, _, version = api_version.rpartition("/")
        if not {group, "*"} & set(rule["apiGroups"]) or not {version, "*"} & set(rule["apiVersions"]):
            continue
        if plural_of(api_version, kind)[0] == plural or (plural == "*" and kind in ("Pod", "Deployment")):
            yield api_version, kind
