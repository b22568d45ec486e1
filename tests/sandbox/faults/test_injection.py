"""What a client sees of faults: refusals, connections that end, watches that end."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edged.json_text import loads
from edged.sandbox.threaded import ThreadedSandbox

MAPS = "/api/v1/namespaces/default/configmaps"
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


@contextmanager
def watching(sandbox: ThreadedSandbox, path: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=30)
    connection.request("GET", path)
    yield connection.getresponse()
    connection.close()


def test_a_refusal_changes_nothing_and_the_next_try_goes_through() -> None:
    with ThreadedSandbox(faults=["create configmaps 409 times=1"]) as sandbox:
        status, answer = sandbox.request("POST", MAPS, MAP)
        assert (status, answer["reason"]) == (409, "Conflict")
        assert sandbox.request("GET", f"{MAPS}/a")[0] == 404
        assert sandbox.request("POST", MAPS, MAP)[0] == 201


@pytest.mark.parametrize(("fault", "written"), [("drop", False), ("drop-after", True)])
def test_a_connection_ends_before_or_after_the_write(fault: str, written: bool) -> None:
    with ThreadedSandbox(faults=[f"create configmaps {fault} times=1"]) as sandbox:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            sandbox.request("POST", MAPS, MAP)
        assert sandbox.request("GET", f"{MAPS}/a")[0] == (200 if written else 404)


def test_a_watch_gets_some_events_and_then_410() -> None:
    with ThreadedSandbox(faults=["watch configmaps 410 events=2"]) as sandbox:
        for name in "abc":
            sandbox.request("POST", MAPS, {**MAP, "metadata": {"name": name}})
        with watching(sandbox, f"{MAPS}?watch=1") as answer:
            events = [loads(line) for line in answer]
        assert [event["type"] for event in events] == ["ADDED", "ADDED", "ERROR"]
        assert events[2]["object"]["code"] == 410


@pytest.mark.parametrize(("fault", "whole"), [("end", True), ("drop", False)])
def test_a_watch_ends_in_order_or_is_cut(fault: str, whole: bool) -> None:
    with ThreadedSandbox(faults=[f"watch configmaps {fault} events=1"]) as sandbox:
        sandbox.request("POST", MAPS, MAP)
        with watching(sandbox, f"{MAPS}?watch=1") as answer:
            assert loads(answer.readline())["type"] == "ADDED"
            if whole:
                assert answer.read() == b""
            else:
                with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                    answer.read()


def test_a_watch_may_be_refused_at_once() -> None:
    with ThreadedSandbox(faults=["watch * 503 retry-after=1"]) as sandbox:
        with watching(sandbox, f"{MAPS}?watch=1") as answer:
            assert answer.status == 503
            assert answer.getheader("Retry-After") == "1"
        assert sandbox.request("GET", MAPS)[0] == 200


def test_other_paths_and_subresources_have_names_too() -> None:
    with ThreadedSandbox(faults=["get /readyz 500", "update namespaces/status 500"]) as sandbox:
        assert sandbox.request("GET", "/readyz")[0] == 500
        assert sandbox.request("GET", "/livez")[0] == 200
        namespace = sandbox.request("GET", "/api/v1/namespaces/default")[1]
        assert sandbox.request("PUT", "/api/v1/namespaces/default/status", namespace)[0] == 500
        assert sandbox.request("PUT", "/api/v1/namespaces/default", namespace)[0] == 200
