"""The host as a whole: modules over an embedded API server, from set-up to reload."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.controllers.core.codes import Code, Refused
from edged.errors import ConfigError, GuestError
from edged.kube.client import ApiClient
from tests.controllers.run.stage import Ask, Program, Stage, config, loader, played, staged, until

MAPS = "/api/v1/namespaces/default/configmaps"
FOR_MAPS: Mapping[str, Any] = {"for": {"apiVersion": "v1", "kind": "ConfigMap"}}
PICKED: Mapping[str, Any] = {
    "watches": [{"id": "picked", "apiVersion": "v1", "kind": "ConfigMap", "namespace": "default",
                 "labelSelector": "app=x", "map": {"by": "self"}}],
}  # fmt: skip
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PIPES: Mapping[str, Any] = {
    "metadata": {"name": "pipes.network.example"},
    "spec": {"group": "network.example", "scope": "Namespaced", "names": {"plural": "pipes", "kind": "Pipe"},
             "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                 "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]},
}  # fmt: skip


def about(program: Program, name: str) -> list[dict[str, Any]]:
    return [each for each in program.inputs if each["key"]["name"] == name]


@played
async def test_a_change_is_reconciled_with_its_object(tmp_path: Path) -> None:
    program = Program()
    program.manifest = FOR_MAPS
    async with staged(tmp_path, {"m": program}) as stage:
        await stage.create(MAPS, "one", data={"a": "b"})
        await until(lambda: "one" in program.names())
        (given,) = about(program, "one")
        assert given["key"] == {"kind": "ConfigMap", "namespace": "default", "name": "one"}
        assert given["object"]["data"] == {"a": "b"}
        assert given["sources"] == ["for"] and given["ambiguous"] is False and given["attempt"] == 1
        await stage.client.request("DELETE", f"{MAPS}/one")
        await until(lambda: len(about(program, "one")) == 2)
        assert about(program, "one")[1]["object"] is None
    assert program.setups[0]["reason"] == "first" and program.setups[0]["node"] == "edge-1"
    assert program.inputs[0]["key"]["kind"] == "_start"


class Writing(Program):
    """Reconciles a ConfigMap by counting in its data, and reads what it wrote at once."""

    manifest = PICKED

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        obj = given["object"]
        if obj is None or obj.get("data", {}).get("n") == "3":
            return
        obj["data"] = {"n": str(int(obj.get("data", {}).get("n", "0")) + 1)}
        await ask("write", verb="update", apiVersion="v1", kind="ConfigMap", object=obj)
        seen = await ask("get", apiVersion="v1", kind="ConfigMap", namespace="default", name=obj["metadata"]["name"])
        self.read.append(seen["object"]["data"]["n"])


@played
async def test_a_write_is_seen_at_once_and_never_a_state_before_it(tmp_path: Path) -> None:
    program = Writing()
    async with staged(tmp_path, {"m": program}) as stage:
        for name in ("one", "two"):
            await stage.client.request("POST", MAPS, body={"metadata": {"name": name, "labels": {"app": "x"}}})
        await until(lambda: len(about(program, "one")) == len(about(program, "two")) == 4)
    assert sorted(program.read) == ["1", "1", "2", "2", "3", "3"]
    for name in ("one", "two"):
        counts = [each["object"].get("data", {}).get("n", "0") for each in about(program, name)]
        assert counts == ["0", "1", "2", "3"]


class Denied(Program):
    """Asks for what it may not have."""

    manifest = PICKED

    def __init__(self) -> None:
        super().__init__()
        self.codes: dict[str, Code] = {}

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        secret = {"apiVersion": "v1", "kind": "Secret", "namespace": "default", "name": "s"}
        map_ = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": "x"}
        await self._try("get", ask("get", **secret, live=True))
        await self._try("cached", ask("get", **secret))
        await self._try("create", ask("write", verb="create", object={}, **map_))
        await self._try("group", ask("get", apiVersion="apps/v1", kind="Deployment", namespace="default", name="d"))
        await self._try("watch", ask("watch_open", id="s", apiVersion="v1", kind="Secret"))
        event = {"regarding": map_ | {"name": "x"}, "type": "Normal", "reason": "Tried"}
        await self._try("event", ask("event", **event))
        await self._try("ext", ask("ext", ext="netfabric", op="list_local_ifcs", args={}))

    async def _try(self, what: str, asked: Any) -> None:
        try:
            await asked
        except Refused as refused:
            self.codes[what] = refused.code


@played
async def test_what_is_not_allowed_is_denied_without_a_request(tmp_path: Path) -> None:
    program = Denied()
    allow = ({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]},)
    async with staged(tmp_path, {"m": program}, config(allow=allow)) as stage:
        await until(lambda: len(program.codes) == 7)
        described = stage.described("m")
    assert {name: code.name for name, code in program.codes.items()} == {
        "get": "DENIED", "cached": "NOT_FOUND", "create": "DENIED", "group": "DENIED", "watch": "DENIED",
        "event": "DENIED", "ext": "DENIED",
    }  # fmt: skip
    assert described["api_calls"] == 0


class Watching(Program):
    """Opens a watch for each namespace that a ConfigMap names, and closes it when the ConfigMap is gone."""

    manifest = PICKED

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> Mapping[str, Any] | None:
        key = given["key"]
        if key["kind"] != "ConfigMap":
            return None
        if given["object"] is None:
            await ask("watch_close", id=f"of-{key['name']}")
            return None
        opened = await ask(
            "watch_open", id=f"of-{key['name']}", apiVersion="v1", kind="Secret", namespace=key["name"],
            map={"by": "self"},
        )  # fmt: skip
        return None if opened["synced"] else {"requeueOn": "sync"}


@played
async def test_watches_open_and_close_while_a_module_runs(tmp_path: Path) -> None:
    program = Watching()
    async with staged(tmp_path, {"m": program}) as stage:
        await stage.create("/api/v1/namespaces", "red")
        await stage.create("/api/v1/namespaces/red/secrets", "s1")
        await stage.client.request("POST", MAPS, body={"metadata": {"name": "red", "labels": {"app": "x"}}})
        await until(lambda: "s1" in program.names())
        assert {each["id"]: each["objects"] for each in stage.described("m")["watches"]} == {"picked": 1, "of-red": 1}
        await stage.client.request("DELETE", f"{MAPS}/red")
        await until(lambda: len(stage.described("m")["watches"]) == 1)
        # The Secret is seen no more: its key is told once.
        await until(lambda: len(about(program, "s1")) == 2)
        assert about(program, "s1")[1]["object"] is None


class Selecting(Program):
    """Watches by a field that the API server cannot select by."""

    def __init__(self, fallback: str) -> None:
        super().__init__()
        self.manifest = PICKED
        self.refused: Code | None = None
        self._fallback = fallback

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        if given["key"]["kind"] == "_start":
            try:
                await ask(
                    "watch_open", id="blue", apiVersion="network.example/v1", kind="Pipe", map={"by": "self"},
                    fieldSelector="spec.color=blue", selectorFallback=self._fallback,
                )  # fmt: skip
            except Refused as refused:
                self.refused = refused.code


@played
async def test_fields_that_the_api_server_cannot_select_by_are_refused_or_selected_here(tmp_path: Path) -> None:
    strict, lenient = Selecting("fail"), Selecting("client")

    async def prepare(client: ApiClient) -> None:
        await client.request("POST", DEFINITIONS, body=dict(PIPES))
        for color in ("red", "blue"):
            body = {"apiVersion": "network.example/v1", "kind": "Pipe", "metadata": {"name": color},
                    "spec": {"color": color}}  # fmt: skip
            await client.request("POST", "/apis/network.example/v1/namespaces/default/pipes", body=body)

    async with staged(tmp_path, {"strict": strict, "lenient": lenient}, prepare=prepare) as stage:
        await until(lambda: strict.refused is not None and "blue" in lenient.names())
        assert strict.refused == Code.INVALID
        blue = next(each for each in stage.described("lenient")["watches"] if each["id"] == "blue")
        assert blue["objects"] == 1 and "red" not in lenient.names()


class Greedy(Program):
    """Watches more when it is told of a ConfigMap."""

    manifest = PICKED

    def __init__(self) -> None:
        super().__init__()
        self.refused: Refused | None = None

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        if given["key"]["name"] == "two":
            try:
                await ask("watch_open", id="more", apiVersion="v1", kind="Secret", map={"by": "self"})
            except Refused as refused:
                self.refused = refused


@played
async def test_who_sees_more_objects_than_its_share_opens_no_further_watch(tmp_path: Path) -> None:
    program = Greedy()

    async def prepare(client: ApiClient) -> None:
        for name in ("one", "two"):
            await client.request("POST", MAPS, body={"metadata": {"name": name, "labels": {"app": "x"}}})

    async with staged(tmp_path, {"m": program}, config(max_objects=1), prepare=prepare):
        await until(lambda: program.refused is not None)
    assert program.refused is not None and program.refused.code == Code.LIMIT
    assert "max_objects" in str(program.refused)


class Failing(Program):
    """Fails in a way that costs the instance, so many times."""

    manifest = PICKED

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        if given["key"]["kind"] == "ConfigMap" and self.left:
            self.left -= 1
            raise GuestError("unreachable")


@played
async def test_a_trap_costs_the_instance_and_the_key_comes_again(tmp_path: Path) -> None:
    program = Failing(2)
    async with staged(tmp_path, {"m": program}) as stage:
        await stage.client.request("POST", MAPS, body={"metadata": {"name": "one", "labels": {"app": "x"}}})
        await until(lambda: len(about(program, "one")) == 3)
        described = stage.described("m")
        assert described["traps"] == 2 and "unreachable" in described["last_error"]
        assert [each["reason"] for each in program.setups] == ["first", "trap", "trap"]
        assert [each["attempt"] for each in about(program, "one")] == [1, 2, 3]


@played
async def test_one_module_that_always_traps_holds_up_nobody(tmp_path: Path) -> None:
    broken, sound = Failing(10_000), Program()
    sound.manifest = PICKED
    async with staged(tmp_path, {"broken": broken, "sound": sound}) as stage:
        for number in range(20):
            body = {"metadata": {"name": f"m{number}", "labels": {"app": "x"}}}
            await stage.client.request("POST", MAPS, body=body)
        await until(lambda: len(set(sound.names())) == 20)
        await until(lambda: stage.described("broken")["state"] == "parked")
        assert stage.described("sound")["state"] == "running"


class Remembering(Program):
    """Keeps a count over the loss of its instance."""

    manifest: Mapping[str, Any] = {**PICKED, "snapshot": True}

    def __init__(self) -> None:
        super().__init__()
        self.restored: list[bytes] = []

    async def snapshot(self, ask: Ask) -> bytes:
        return b"%d" % len(self.inputs)

    async def restore(self, ask: Ask, given: bytes) -> None:
        self.restored.append(given)


@played
async def test_an_idle_instance_is_dropped_and_wakes_with_what_it_kept(tmp_path: Path) -> None:
    program = Remembering()
    async with staged(tmp_path, {"m": program}, config(idle_s=0.0)) as stage:
        await until(lambda: stage.described("m")["state"] == "running" and not stage.described("m")["live"])
        await stage.client.request("POST", MAPS, body={"metadata": {"name": "one", "labels": {"app": "x"}}})
        await until(lambda: "one" in program.names() and program.closed == 2)
    assert [(each["reason"], each["snapshot"]) for each in program.setups] == [("first", False), ("wake", True)]
    assert program.restored == [b"1"]


async def reload(stage: Stage, programs: Mapping[str, Program], *names: str) -> None:
    await stage.controllers.reload([config(name) for name in names], loader(programs))


@played
async def test_a_reload_puts_another_module_in_the_place_and_its_keys_come_again(tmp_path: Path) -> None:
    old, new = Watching(), Program()
    new.manifest = PICKED
    async with staged(tmp_path, {"m": old}) as stage:
        await stage.create("/api/v1/namespaces", "red")
        await stage.client.request("POST", MAPS, body={"metadata": {"name": "red", "labels": {"app": "x"}}})
        await until(lambda: len(stage.described("m")["watches"]) == 2)
        await reload(stage, {"m": new}, "m")
        await until(lambda: "red" in new.names())
        assert new.setups[0]["reason"] == "upgrade"
        assert [each["id"] for each in new.setups[0]["openWatches"]] == ["of-red"]
        assert {each["id"] for each in stage.described("m")["watches"]} == {"picked", "of-red"}
        await reload(stage, {})
        assert stage.controllers.describe() == []


class Wrong(Program):
    async def setup(self, given: dict[str, Any]) -> Mapping[str, Any]:
        raise GuestError("unreachable")


@played
async def test_a_reload_with_a_module_that_cannot_be_set_up_changes_nothing(tmp_path: Path) -> None:
    old = Program()
    old.manifest = PICKED
    async with staged(tmp_path, {"m": old}) as stage:
        await until(lambda: stage.described("m")["state"] == "running")
        with pytest.raises(ConfigError, match="m: unreachable"):
            await reload(stage, {"m": Wrong()}, "m")
        await stage.client.request("POST", MAPS, body={"metadata": {"name": "one", "labels": {"app": "x"}}})
        await until(lambda: "one" in old.names())


@played
async def test_elected_modules_share_a_lease_and_begin_when_it_is_theirs(tmp_path: Path) -> None:
    first, second = Program(), Program()
    first.manifest = second.manifest = PICKED
    configs = [config(name, leader_election=True) for name in ("a", "b")]
    async with staged(tmp_path, {"a": first, "b": second}, *configs) as stage:
        await until(lambda: stage.described("a")["state"] == stage.described("b")["state"] == "running")
        leases = await stage.client.request("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases")
        names = [each["metadata"]["name"] for each in leases["items"]]
        assert [name for name in names if name.startswith("edged")] == ["edged-controllers"]


@played
async def test_a_kind_that_is_not_served_yet_is_waited_for(tmp_path: Path) -> None:
    program = Program()
    program.manifest = {"for": {"apiVersion": "network.example/v1", "kind": "Pipe"}}
    async with staged(tmp_path, {"m": program}) as stage:
        await until(lambda: "does not serve network.example/v1" in stage.described("m")["error"])
        await stage.client.request("POST", DEFINITIONS, body=dict(PIPES))
        await until(lambda: stage.described("m")["state"] == "running")
        pipe = {"apiVersion": "network.example/v1", "kind": "Pipe"}
        await stage.create("/apis/network.example/v1/namespaces/default/pipes", "p", **pipe)
        await until(lambda: "p" in program.names())


@played
async def test_stopping_waits_for_the_running_call(tmp_path: Path) -> None:
    program = Slow()
    async with staged(tmp_path, {"m": program}) as stage:
        await until(lambda: program.begun)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.controllers.drain, 5.0)
            await trio.sleep(0)
            program.go_on.set()
        assert program.ended


class Slow(Program):
    manifest = PICKED

    def __init__(self) -> None:
        super().__init__()
        self.begun = self.ended = False
        self.go_on = trio.Event()

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        self.begun = True
        await self.go_on.wait()
        self.ended = True


@played
async def test_a_call_that_does_not_end_is_ended_before_its_instance(tmp_path: Path) -> None:
    program = Slow()
    async with staged(tmp_path, {"m": program}) as stage:
        await until(lambda: program.begun)
        await stage.controllers.drain(0.01)
    assert not program.ended and program.closed == 1


class Telling(Program):
    """Says the same of an object again and again."""

    manifest = PICKED

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        if given["object"] is not None:
            regarding = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": given["key"]["name"]}
            for _ in range(5):
                await ask("event", regarding=regarding, type="Warning", reason="Odd", note="as said")
            await ask("metric", name="seen", op="inc", value=2, labels={"kind": "map"})


@played
async def test_events_are_counted_and_metrics_carry_the_name_of_the_module(tmp_path: Path) -> None:
    program = Telling()
    async with staged(tmp_path, {"m": program}) as stage:
        await stage.client.request("POST", MAPS, body={"metadata": {"name": "one", "labels": {"app": "x"}}})
        await until(lambda: stage.host.recorder.written == 3)
        events = await stage.client.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events")
        (event,) = events["items"]
        assert (event["reason"], event["note"], event["reportingController"]) == ("Odd", "as said", "edged/m")
        assert event["regarding"]["name"] == "one" and event["series"]["count"] == 4
        assert b'edged_controller_m_seen{kind="map"} 2\n' in stage.host.measures.registry.render()


def test_watches_that_grow_beyond_the_limits_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.controllers.run.controller.LOOK_S", 0.01)
    monkeypatch.setattr("edged.controllers.run.controller.LONGEST_PAUSE_S", 0.2)
    greedy, sound = Program(), Program()
    greedy.manifest, sound.manifest = FOR_MAPS, PICKED

    async def main() -> None:
        programs, limited = {"greedy": greedy, "sound": sound}, config("greedy", max_objects=8)
        async with staged(tmp_path, programs, limited, config("sound")) as stage:
            await until(lambda: stage.described("greedy")["state"] == "running")
            for number in range(10):
                await stage.create(MAPS, f"many-{number}")
            await until(lambda: "objects, 8 are allowed (max_objects)" in stage.described("greedy")["error"])
            await until(lambda: len(stage.host.informers.counts()) == 1)
            body = {"metadata": {"name": "one", "labels": {"app": "x"}}}
            await stage.client.request("POST", MAPS, body=body)
            await until(lambda: "one" in sound.names())
            for number in range(10):
                await stage.client.request("DELETE", f"{MAPS}/many-{number}")
            await until(lambda: stage.described("greedy")["state"] == "running")

    trio.run(main)
