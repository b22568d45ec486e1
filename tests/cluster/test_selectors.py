"""What edged selects by itself is what API servers select, in lists and in watches: edged's own and the real one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import trio

from edged.kube.control.selections import Selection, match_within
from edged.kube.informers import Informer, Informers
from edged.kube.values import field_selectors, label_selector_text
from edged.kube.values.names import GroupVersionResource, key_of
from edged.kube.values.selectable_fields import SelectableFields, of_builtin, of_custom
from edged.kube.values.selectors import BadSelector
from tests.cluster.beside.custom import served, widget
from tests.cluster.beside.steps import MERGE, Http, http
from tests.cluster.beside.stories import selectors as story
from tests.cluster.raw import Client
from tests.cluster.scheduling import Server
from tests.cluster.test_clients import client_of, informers_at
from tests.kube.support import Recorder, run

_numbers = count(1)
CUSTOM = of_custom(story.PATHS, namespaced=True)
WATCHED = (
    "spec.number=0", "spec.number=1", "spec.number=", "spec.number!=1", "spec.text=a", "spec.text!=a", "spec.text=",
    "spec.on!=true", "spec.on=", "spec.on=false", "spec.kept=true", "status.text=up", "status.text!=up,spec.on=true",
    "metadata.name=w1", "metadata.name!=w1,spec.number!=0",
)  # fmt: skip


class Place:
    """A namespace of one server, and requests in it: `{ns}` stands for its name in paths and bodies."""

    def __init__(self, call: Client) -> None:
        self.namespace = f"selectors-{next(_numbers)}"
        self._call = call
        call.kubectl("create", "namespace", self.namespace)

    def filled(self, text: str) -> str:
        return text.replace("{ns}", self.namespace)

    def take(self, *steps: Http) -> None:
        for step in steps:
            body = "" if step.body is None else self.filled(orjson.dumps(step.body).decode())
            while True:
                status, _, answer = self._call(step.method, self.filled(step.path), body, step.kind)
                if step.until is None or _holds(step, answer):
                    break
            assert status < 300, (str(step), answer)

    def listed(self, path: str, query: str = "") -> tuple[int, Any]:
        status, _, answer = self._call("GET", self.filled(f"{path}?{query}"), "", "application/json")
        return status, answer


def _holds(step: Http, answer: Any) -> bool:
    assert step.until is not None
    try:
        return step.until(answer)
    except (KeyError, TypeError):  # a definition that has no conditions yet
        return False


@pytest.fixture
def place(call: Client) -> Place:
    return Place(call)


@pytest.fixture
def widgets(place: Place) -> Iterator[GroupVersionResource]:
    """Served, and without objects."""
    place.take(*served(story.SELECTABLE), http("GET", story.WIDGETS, until=story.listed))
    yield GroupVersionResource(f"{place.namespace}.example.com", "v1", "widgets")
    place.take(http("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{ns}.example.com"))


def names_of(answer: Any) -> list[str]:
    return sorted(item["metadata"]["name"] for item in answer["items"])


def by_fields(place: Place, path: str, known: SelectableFields, text: str) -> tuple[Any, Any]:
    """What the server says and what is found here: names, or why the selector is refused."""
    text = place.filled(text)
    status, answer = place.listed(path, f"fieldSelector={quote(text)}")
    theirs = names_of(answer) if status == 200 else answer["message"]
    try:
        match = known.filter(field_selectors.parse(text))
    except BadSelector as error:
        return theirs, str(error)
    return theirs, sorted(item["metadata"]["name"] for item in place.listed(path)[1]["items"] if match.matches(item))


def test_fields_of_custom_resources(place: Place, widgets: GroupVersionResource) -> None:
    place.take(*story.made())
    for text in (*story.CUSTOM, *story.REFUSED):
        theirs, ours = by_fields(place, story.WIDGETS, CUSTOM, text)
        assert theirs == ours, text
        assert isinstance(ours, str) is (text in story.REFUSED), text


def test_fields_of_pods(place: Place) -> None:
    place.take(
        *story.pod("waiting"), *story.pod("bound", node="n1", network=True),
        *story.pod("running", node="n1", phase="Running", podIP="10.9.0.1", podIPs=[{"ip": "10.9.0.1"}]),
        *story.pod("nominated", nominatedNodeName="n2"),
    )  # fmt: skip
    known, found = of_builtin(GroupVersionResource("", "v1", "pods")), set()
    for text in (*story.PODS, "spec.serviceAccountName=default", "spec.containers=x", "spec=x", "metadata.name!=bound"):
        theirs, ours = by_fields(place, "/api/v1/namespaces/{ns}/pods", known, text)
        assert theirs == ours, text
        found.add(str(ours))
    assert len(found) > 6


@pytest.mark.parametrize("path", story.OTHER_KINDS)
def test_fields_of_other_kinds(place: Place, path: str) -> None:
    place.take(*story.other_objects())
    group = path.split("/")[2] if path.startswith("/apis/") else ""
    known = of_builtin(GroupVersionResource(group, "v1", path.rpartition("/")[2]))
    for text in story.OTHER_KINDS[path]:
        theirs, ours = by_fields(place, path, known, text)
        assert theirs == ours, text


def test_labels(place: Place) -> None:
    maps_path = "/api/v1/namespaces/{ns}/configmaps"
    for name, labels in story.LABELLED.items():
        place.take(http("POST", maps_path, {"metadata": {"name": name, "labels": labels}}))
    everything = place.listed(maps_path)[1]["items"]
    for text in (*story.LABELS, *story.LABELS_REFUSED):
        status, answer = place.listed(maps_path, f"labelSelector={quote(text)}")
        if text in story.LABELS_REFUSED:
            with pytest.raises(BadSelector) as caught:
                label_selector_text.parse(text)
            assert (status, answer["message"]) == (400, str(caught.value)), text
            continue
        match = label_selector_text.parse(text)
        ours = [item["metadata"]["name"] for item in everything if match.matches(item["metadata"].get("labels") or {})]
        assert names_of(answer) == sorted(ours), text


def walk(numbers: random.Random, there: set[str], steps: int) -> Iterator[Http]:
    """Random writes of a few objects, of which `there` are; all fields come, change and go."""
    values: dict[str, tuple[Any, ...]] = {
        "text": ("a", "", None, "b"), "number": (0, 1, None, -5, story.LARGEST), "on": (True, False, None),
        "kept": (True, False),
    }  # fmt: skip
    for _ in range(steps):
        name = f"w{numbers.randrange(6)}"
        field = numbers.choice(list(values))
        change = {field: numbers.choice(values[field])}
        path = f"{story.WIDGETS}/{name}"
        if name not in there:
            there.add(name)
            yield http("POST", story.WIDGETS, widget(name, spec=change))
        elif numbers.random() < 0.2:
            there.remove(name)
            yield http("DELETE", path)
        elif numbers.random() < 0.25:
            yield http("PATCH", f"{path}/status", {"status": {"text": numbers.choice(["up", "down", None])}}, MERGE)
        else:
            yield http("PATCH", path, {"spec": change}, MERGE)


def told(seen: Recorder) -> list[tuple[str, str, str]]:
    return [(change.type, change.key.name, change.object["metadata"]["resourceVersion"]) for change in seen.changes]


def contents(informer: Informer) -> dict[str, Any]:
    return {str(key): informer.get(key) for key in informer.keys()}  # noqa: SIM118


async def ended(informers: Informers, place: Place, resource: GroupVersionResource) -> None:
    """Returns when all have the last write."""
    last = place.listed(story.WIDGETS)[1]["items"]
    wanted = {str(key_of(item)): item["metadata"]["resourceVersion"] for item in last}
    for informer in list(informers):
        match = match_within(Selection(resource, None, "", ""), informer.selection, CUSTOM)
        assert match is not None
        belongs = {str(key_of(item)) for item in last if match.of_object(item)}
        expected = {key: revision for key, revision in wanted.items() if key in belongs}
        while {key: obj["metadata"]["resourceVersion"] for key, obj in contents(informer).items()} != expected:
            await trio.sleep(0.01)


@pytest.mark.parametrize("seed", range(3))
def test_watches_by_fields(api_server: Server, place: Place, widgets: GroupVersionResource, seed: int) -> None:
    """Handlers of informers that a wider one serves are told what those with streams of their own are told."""

    numbers, there = random.Random(seed), set[str]()

    async def main() -> None:
        client, other = client_of(api_server.kubeconfig), client_of(api_server.kubeconfig)
        place.take(*story.made())
        async with informers_at(client) as shared, informers_at(other) as apart:
            whole = shared.acquire(widgets, linger_s=0.0)
            await whole.wait_synced()
            pairs: list[tuple[Informer, Informer, Recorder, Recorder]] = []
            for text in WATCHED:
                one = shared.acquire(widgets, field_selector=text, selectable=CUSTOM)
                two = apart.acquire(widgets, field_selector=text)
                pairs.append((one, two, Recorder(), Recorder()))
                one.add_handler(pairs[-1][2])
                two.add_handler(pairs[-1][3])
                await one.wait_synced()
                await two.wait_synced()
            assert shared.counts()[widgets].streams == 1 and apart.counts()[widgets].streams == len(WATCHED)
            for step in walk(numbers, there, 120):
                await trio.to_thread.run_sync(place.take, step)
            await ended(shared, place, widgets)
            await ended(apart, place, widgets)
            for one, two, seen, own in pairs:
                await seen.wait(lambda: len(seen.changes) >= len(own.changes))  # noqa: B023
                await own.wait(lambda: len(own.changes) >= len(seen.changes))  # noqa: B023
                initial = len([change for change in own.changes if change.type == "added" and change.old is None])
                assert initial and sorted(told(seen)) == sorted(told(own)), one.selection
                assert contents(one) == contents(two)
            shared.release(whole)  # and now with streams of their own, which begin while objects change
            for step in walk(numbers, there, 40):
                await trio.to_thread.run_sync(place.take, step)
            await ended(shared, place, widgets)
            while any(one.wider is not None or not one.connected for one, _, _, _ in pairs):
                await trio.sleep(0.01)
            assert shared.counts()[widgets].streams == len(WATCHED)
            await ended(shared, place, widgets)
            await ended(apart, place, widgets)
            for one, two, _, _ in pairs:
                assert contents(one) == contents(two), one.selection
        await client.aclose()
        await other.aclose()

    run(main, within_s=120)


def test_metadata_alone(api_server: Server, place: Place, widgets: GroupVersionResource) -> None:
    async def main() -> None:
        client = client_of(api_server.kubeconfig)
        place.take(*story.made())
        async with informers_at(client) as informers:
            metadata, seen = informers.acquire(widgets, metadata=True), Recorder()
            metadata.add_handler(seen)
            await metadata.wait_synced()
            named = informers.acquire(widgets, field_selector="metadata.name=on", metadata=True)
            await named.wait_synced()
            assert len(metadata) == len(story.SPECS) and len(named) == 1
            assert informers.counts()[widgets].streams == 1
            change = {"metadata": {"labels": {"l": "1"}}}
            await trio.to_thread.run_sync(place.take, http("PATCH", f"{story.WIDGETS}/on", change, MERGE))
            await seen.wait(lambda: len(seen.changes) > len(story.SPECS))
            for obj in (*metadata.items(), seen.changes[-1].object):
                assert obj.keys() == {"kind", "apiVersion", "metadata"} and obj["kind"] == "PartialObjectMetadata"
            assert seen.changes[-1].object["metadata"]["labels"] == {"l": "1"}
        await client.aclose()

    run(main, within_s=60)
