"""Shows that the policies made with Kubewarden's Rust SDK do by themselves what other tests rely on."""

from pathlib import Path
from typing import Any

import pytest
import wasmtime

from tests.guests.rust import build

from .wapc_host import CallFailed, Host, HostRefuses, Policy

# The first build of the policies takes minutes.
pytestmark = [pytest.mark.toolchains("rust"), pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def policies() -> dict[str, Policy]:
    engine = wasmtime.Engine()
    return {name: Policy(engine, Path(path).read_bytes()) for name, path in build.required().items()}


def request(**more: Any) -> dict[str, Any]:
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    return {"uid": "1", "kind": kind, "operation": "CREATE", "name": "web", "namespace": "demo", **more}


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [*containers]},
    }


@pytest.mark.parametrize("name", build.POLICIES)
def test_protocol_version(name: str, policies: dict[str, Policy]) -> None:
    assert policies[name].protocol_version() == "v1"


def test_pods_rejects_and_logs(policies: dict[str, Policy]) -> None:
    host = Host()
    container = {"name": "app", "image": "a:1", "securityContext": {"privileged": True}}
    answer = policies["pods"].validate(request(object=pod(container)), {}, host)
    assert (answer["accepted"], answer["message"], answer["code"]) == (
        False,
        "container app is privileged",
        403,
    )
    assert [(event["message"], event["level"].lower()) for event in host.events] == [("rejected", "info")]
    assert policies["pods"].validate(request(object=pod(container)), {"allow_privileged": True})["accepted"]


def test_pods_settings(policies: dict[str, Policy]) -> None:
    assert policies["pods"].validate_settings({"image_prefixes": ["a/"]})["valid"]
    assert not policies["pods"].validate_settings({"image_prefixes": [""]})["valid"]
    with pytest.raises(CallFailed):
        policies["pods"].validate_settings({"image_prefixs": []})


@pytest.mark.parametrize(
    ("settings", "operation", "response", "message"),
    [
        ("get_namespace", "get_resource", {"metadata": {"labels": {"a": "1"}}}, "a=1"),
        (
            "list_pods",
            "list_resources_by_namespace",
            {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": [{"metadata": {"name": "p"}}]},
            "p",
        ),
        (
            "list_namespaces",
            "list_resources_all",
            {
                "apiVersion": "v1",
                "kind": "NamespaceList",
                "metadata": {},
                "items": [{"metadata": {"name": "n"}}],
            },
            "n",
        ),
        ("may_delete", "can_i", {"allowed": True}, "allowed=true"),
    ],
)
def test_context_asks(
    settings: str, operation: str, response: Any, message: str, policies: dict[str, Policy]
) -> None:
    host = Host(lambda *asked: response)
    answer = policies["context"].validate(request(object=pod()), {"question": settings, "repeat": 2}, host)
    assert (answer["accepted"], answer["message"]) == (False, message)
    assert [call[:2] for call in host.calls] == [("kubernetes", operation)] * 2


def test_context_fails_when_refused(policies: dict[str, Policy]) -> None:
    def refuse(*asked: Any) -> Any:
        raise HostRefuses("not granted")

    with pytest.raises(CallFailed, match="not granted"):
        policies["context"].validate(request(object=pod()), {"question": "list_pods"}, Host(refuse))


def test_label_mutates_once(policies: dict[str, Policy]) -> None:
    mutated = policies["label"].validate(request(object=pod()), {})["mutated_object"]
    assert mutated["metadata"] == {"name": "web", "labels": {"edged.dev/seen": "yes"}}
    assert policies["label"].validate(request(object=mutated), {})["mutated_object"] is None
    both = policies["label"].validate(request(object=pod()), {"reject": True})
    assert not both["accepted"] and both["mutated_object"] == mutated


def test_raw(policies: dict[str, Policy]) -> None:
    settings = {"valid_users": ["tonio"]}
    assert policies["raw"].validate({"user": "tonio", "action": "eats"}, settings)["accepted"]
    assert not policies["raw"].validate({"user": "wanda"}, settings)["accepted"]
    mutated = policies["raw"].validate({"user": "tonio", "mutate": True}, settings)["mutated_object"]
    assert mutated == {"user": "tonio", "mutate": True, "resource": "mutated"}


def test_hog_and_endless_do_what_their_settings_say(policies: dict[str, Policy]) -> None:
    assert policies["hog"].validate(request(object=pod()), {"mebibytes": 8})["accepted"]
    assert policies["endless"].validate(request(object=pod()), {"rounds": 1000})["accepted"]
