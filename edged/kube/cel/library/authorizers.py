"""`authorizer`: asks whether somebody may do something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.registry import declare
from edged.kube.cel.values import Opaque


@dataclass(frozen=True)
class Question:
    """What is asked: of a resource, or of a path where `path` is set."""

    user: str
    groups: tuple[str, ...]
    verb: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


Ask = Callable[[Question], tuple[bool, str]]
"""Whether it is allowed, and why."""


class _Asking(Opaque):
    __slots__ = ("ask", "question")

    def __init__(self, ask: Ask, question: Question) -> None:
        self.ask = ask
        self.question = question

    def identity(self) -> object:
        return self.question


class Authorizer(_Asking):
    type_name = "kubernetes.authorization.Authorizer"


class PathCheck(_Asking):
    type_name = "kubernetes.authorization.PathCheck"


class GroupCheck(_Asking):
    type_name = "kubernetes.authorization.GroupCheck"


class ResourceCheck(_Asking):
    type_name = "kubernetes.authorization.ResourceCheck"


class Decision(Opaque):
    type_name = "kubernetes.authorization.Decision"
    __slots__ = ("allowed", "reason")

    def __init__(self, allowed: bool, reason: str) -> None:
        self.allowed = allowed
        self.reason = reason

    def identity(self) -> object:
        return self.allowed, self.reason


@declare("path", Authorizer, str)
def _path(value: Authorizer, path: str) -> PathCheck:
    if not path:
        raise EvaluationError("path must not be empty")
    return PathCheck(value.ask, replace(value.question, path=path))


@declare("serviceAccount", Authorizer, str, str)
def _service_account(value: Authorizer, namespace: str, name: str) -> Authorizer:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return Authorizer(value.ask, Question(f"system:serviceaccount:{namespace}:{name}", groups))


declare("group", Authorizer, str)(lambda value, group: GroupCheck(value.ask, replace(value.question, group=group)))


@declare("resource", GroupCheck, str)
def _resource(value: GroupCheck, resource: str) -> ResourceCheck:
    if not resource:
        raise EvaluationError("resource must not be empty")
    return ResourceCheck(value.ask, replace(value.question, resource=resource))


def _with(field: str) -> None:
    declare(field, ResourceCheck, str)(
        lambda value, text: ResourceCheck(value.ask, replace(value.question, **{field: text}))
    )


for _field in ("subresource", "namespace", "name"):
    _with(_field)
for _selector in ("fieldSelector", "labelSelector"):
    declare(_selector, ResourceCheck, str)(lambda value, text: value)


def _check(value: _Asking, verb: str) -> Decision:
    return Decision(*value.ask(replace(value.question, verb=verb)))


declare("check", ResourceCheck, str)(_check)
declare("check", PathCheck, str)(_check)
declare("allowed", Decision)(lambda value: value.allowed)
declare("reason", Decision)(lambda value: value.reason)
declare("errored", Decision)(lambda value: False)
declare("error", Decision)(lambda value: "")
