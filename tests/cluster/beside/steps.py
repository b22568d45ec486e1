"""What can be asked of an API server: a request, a command line of kubectl, a watch, a call of a client library.

A story is a list of steps that are taken one after another, in a namespace of its own. In every text of a step `{ns}`
is that namespace, and whatever belongs to no namespace has a name that begins with it. `save` keeps a value of an
answer for later steps: {"rv": "metadata.resourceVersion"} lets them say `{rv}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.raw import APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC, YAML

__all__ = [
    "APPLY", "JSON", "JSON_PATCH", "MERGE", "STRATEGIC", "TABLE", "YAML", "Client", "Http", "Kubectl", "Object", "Step",
    "Story", "Watch", "client", "http", "kubectl", "watch",
]  # fmt: skip
Object = dict[str, Any]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`left_out`: the key of the reason (left_out.py) for which the answers differ. `until`: the step is repeated until
    this holds of its answer's content, for what happens by itself a little later."""

    left_out: str = ""
    until: Callable[[Any], bool] | None = None
    save: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http(Step):
    method: str
    path: str
    body: object = None  # an object, or text or bytes as they are
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl(Step):
    """In the story's namespace, unless the arguments name another. `stdin`: objects or text."""

    arguments: tuple[str, ...]
    stdin: object = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"kubectl {' '.join(self.arguments)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch(Step):
    """The events of a watch until `count` of them came or nothing has come for `quiet_s`."""

    path: str
    count: int = 100
    quiet_s: float = 0.7
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"WATCH {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(Step):
    """A function of a client library: kubeconfig, namespace -> something that JSON can hold. What it raises counts as
    its answer, by type and text."""

    name: str
    call: Callable[[Path, str], object]

    def __str__(self) -> str:
        return f"client {self.name}"


@dataclass(frozen=True, slots=True)
class Story:
    """`controllers`: the real side has kube-controller-manager. `rbac`: the sandbox has --rbac, as the real side has it
    always. `namespace`: whether one is made for it."""

    name: str
    steps: tuple[Step, ...]
    controllers: bool = False
    rbac: bool = False
    namespace: bool = True


def http(method: str, path: str, body: object = None, kind: str = JSON, **more: Any) -> Http:
    return Http(method=method, path=path, body=body, kind=kind, **more)


def kubectl(*arguments: str, **more: Any) -> Kubectl:
    return Kubectl(arguments=arguments, **more)


def watch(path: str, **more: Any) -> Watch:
    return Watch(path=path, **more)


def client(name: str, call: Callable[[Path, str], object], **more: Any) -> Client:
    return Client(name=name, call=call, **more)
