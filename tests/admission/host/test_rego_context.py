"""What Rego policies see of the cluster: the layouts of both modes, and when the document is built anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.testing

from edged.admission.host import rego_context
from edged.admission.host.rego_context import ContextFailure, RegoContext
from edged.kube.discovery import KindNotServed
from edged.kube.values.names import GroupVersionResource, NamespacedName, ServedKind

PODS = ServedKind(GroupVersionResource("", "v1", "pods"), "Pod", True, ("list",))
NODES = ServedKind(GroupVersionResource("", "v1", "nodes"), "Node", False, ("list",))
DEPLOYMENTS = ServedKind(GroupVersionResource("apps", "v1", "deployments"), "Deployment", True, ("list",))
ODD_PODS = ServedKind(GroupVersionResource("odd.io", "v1", "pods"), "Pod", False, ("list",))


class FakeInformer:
    """As apiserver.informers.Informer, filled by hand."""

    def __init__(self, *names: tuple[str, str], synced: bool = True) -> None:
        self.objects = {NamespacedName(*name): {"metadata": {"name": name[1]}} for name in names}
        self.generation = len(names)
        self.reads = 0
        self._synced = trio.Event()
        if synced:
            self._synced.set()

    @property
    def synced(self) -> bool:
        return self._synced.is_set()

    def sync(self) -> None:
        self._synced.set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def put(self, namespace: str, name: str) -> None:
        self.objects[NamespacedName(namespace, name)] = {"metadata": {"name": name}}
        self.generation += 1

    def keys(self) -> Iterator[NamespacedName]:
        return iter(list(self.objects))

    def size_bytes(self) -> int:
        return sum(len(json.dumps(obj)) for obj in self.objects.values())

    def raw(self, key: NamespacedName) -> bytes | None:
        self.reads += 1
        return json.dumps(self.objects[key]).encode()


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


def context(**kinds: tuple[ServedKind, FakeInformer]) -> RegoContext:
    served = {(entry[0].resource.api_version, entry[0].kind): entry for entry in kinds.values()}

    async def find(api_version: str, kind: str) -> Any:
        await trio.lowlevel.checkpoint()
        if (api_version, kind) not in served:
            raise KindNotServed(f"the API server serves no kind {kind} in {api_version}")
        return served[api_version, kind]

    return RegoContext(find)


KINDS = frozenset({("v1", "Pod"), ("v1", "Node"), ("apps/v1", "Deployment")})


def test_layouts() -> None:
    async def main() -> None:
        made = context(
            a=(PODS, FakeInformer(("ns", "a"), ("ns", "b"), ("other", "a"))),
            b=(NODES, FakeInformer(("", 'odd"ü'))),
            c=(DEPLOYMENTS, FakeInformer()),
        )
        assert json.loads(await made.document("opa", KINDS)) == {
            "pods": {"ns": {"a": named("a"), "b": named("b")}, "other": {"a": named("a")}},
            "nodes": {'odd"ü': named('odd"ü')},
            "deployments": {},
        }
        assert json.loads(await made.document("gatekeeper", KINDS)) == {
            "cluster": {"v1": {"Node": {'odd"ü': named('odd"ü')}}},
            "namespace": {
                "ns": {"v1": {"Pod": {"a": named("a"), "b": named("b")}}},
                "other": {"v1": {"Pod": {"a": named("a")}}},
            },
        }
        empty = frozenset({("apps/v1", "Deployment")})
        assert json.loads(await made.document("gatekeeper", empty)) == {"cluster": {}, "namespace": {}}

    trio.run(main)


def test_built_once_until_something_changes() -> None:
    async def main() -> None:
        pods = FakeInformer(*(("ns", f"p{n}") for n in range(250)))
        made, kinds = context(a=(PODS, pods)), frozenset({("v1", "Pod")})
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(made.document, "gatekeeper", kinds)
        first = await made.document("gatekeeper", kinds)
        assert pods.reads == 250
        assert await made.document("gatekeeper", kinds) is first
        pods.put("ns", "new")
        assert "new" in json.loads(await made.document("gatekeeper", kinds))["namespace"]["ns"]["v1"]["Pod"]
        assert pods.reads == 501

    trio.run(main)


def test_change_while_it_is_built_is_not_lost() -> None:
    async def main() -> None:
        pods = FakeInformer(*(("ns", f"p{n}") for n in range(250)))
        made, kinds = context(a=(PODS, pods)), frozenset({("v1", "Pod")})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.document, "opa", kinds)
            while not pods.reads:
                await trio.lowlevel.checkpoint()
            pods.put("ns", "late")
        assert "late" in json.loads(await made.document("opa", kinds))["pods"]["ns"]

    trio.run(main)


def test_waits_for_the_first_list() -> None:
    async def main() -> None:
        pods = FakeInformer(("ns", "a"), synced=False)
        made = context(a=(PODS, pods))
        with trio.move_on_after(5) as scope:
            await made.document("opa", frozenset({("v1", "Pod")}))
        assert scope.cancelled_caught
        pods.sync()
        assert json.loads(await made.document("opa", frozenset({("v1", "Pod")}))) == {"pods": {"ns": {"a": named("a")}}}

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_kinds_that_cannot_be_shown() -> None:
    async def main() -> None:
        made = context(a=(PODS, FakeInformer()), b=(ODD_PODS, FakeInformer()))
        with pytest.raises(ContextFailure, match="serves no kind Nothing"):
            await made.document("opa", frozenset({("v1", "Nothing")}))
        with pytest.raises(ContextFailure, match="pods are both namespaced and not"):
            await made.document("opa", frozenset({("v1", "Pod"), ("odd.io/v1", "Pod")}))
        await made.document("gatekeeper", frozenset({("v1", "Pod"), ("odd.io/v1", "Pod")}))

    trio.run(main)


def test_size_is_known_before_a_document_is_built() -> None:
    async def main() -> None:
        pods = FakeInformer(("ns", "a"), ("ns", "b"))
        made, kinds = context(v1_Pod=(PODS, pods)), frozenset({("v1", "Pod")})
        assert await made.size("opa", kinds) == pods.size_bytes() and pods.reads == 0
        document = await made.document("opa", kinds)
        assert await made.size("opa", kinds) == len(document)
        pods.put("ns", "c")
        assert await made.size("opa", kinds) == pods.size_bytes()

    trio.run(main)


def test_documents_are_bounded_in_bytes_and_go_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        pods, nodes = FakeInformer(("ns", "a" * 300)), FakeInformer(("", "b" * 300))
        made = context(v1_Pod=(PODS, pods), v1_Node=(NODES, nodes))
        both = [frozenset({("v1", "Pod")}), frozenset({("v1", "Node")})]
        monkeypatch.setattr(rego_context, "MOST_BYTES", 1000)
        documents = [await made.document("opa", kinds) for kinds in both]
        assert sum(map(len, documents)) > 1000
        assert await made.document("opa", both[1]) is documents[1]  # the last one stays, however large
        assert await made.document("opa", both[0]) is not documents[0]
        monkeypatch.setattr(rego_context, "MOST_BYTES", 10_000)
        await made.document("opa", both[1])
        await trio.sleep(rego_context.UNUSED_S - 1)
        await made.document("opa", both[0])
        await trio.sleep(2)
        made.drop_unused(trio.current_time())
        assert [key for _, key in made._documents] == [both[0]]
        await trio.sleep(rego_context.UNUSED_S)
        made.drop_unused(trio.current_time())
        assert not made._documents

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
