"""edged/sandbox/custom/custom_definitions.py, and how definitions are served: names, versions, selectors, watches."""

from __future__ import annotations

import trio

from tests.sandbox.harness import CRDS, WIDGETS, Caller, crd, lines, widget

FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def conditions(obj):
    return {each["type"]: (each["status"], each["reason"]) for each in obj["status"]["conditions"]}


def test_names_that_are_taken_are_not_served_until_they_are_free() -> None:
    async def main() -> None:
        call = Caller()
        await call.ok("POST", CRDS, crd(FREE))
        other = crd(FREE)
        other["metadata"]["name"] = "gadgets.demo.example"
        other["spec"]["names"] = {"plural": "gadgets", "kind": "Widget"}
        await call.ok("POST", CRDS, other)
        found = await call.ok("GET", f"{CRDS}/gadgets.demo.example")
        assert conditions(found) == {"NamesAccepted": ("False", "ListKindConflict"), "Established": ("False",
                                     "NotAccepted")}  # fmt: skip
        assert (await call.response("GET", "/apis/demo.example/v1/gadgets")).status == 404
        await call.ok("DELETE", f"{CRDS}/widgets.demo.example")
        assert conditions(await call.ok("GET", f"{CRDS}/gadgets.demo.example"))["Established"][0] == "True"
        await call.ok("GET", "/apis/demo.example/v1/gadgets")

    trio.run(main)


def test_selectable_fields() -> None:
    async def main() -> None:
        call = Caller()
        spec = {"type": "object", "properties": {"on": {"type": "boolean", "default": True}}}
        await call.ok("POST", CRDS, crd(spec, selectableFields=[{"jsonPath": ".spec.on"}]))
        await call.ok("POST", WIDGETS, widget("a"))
        await call.ok("POST", WIDGETS, widget("b", on=False))
        found = await call.ok("GET", f"{WIDGETS}?fieldSelector=spec.on=false")
        assert [each["metadata"]["name"] for each in found["items"]] == ["b"]
        status = await call.refused(400, "GET", f"{WIDGETS}?fieldSelector=spec.off=false")
        assert "field label not supported: spec.off" in status["message"]

    trio.run(main)


def test_watches_end_when_the_definition_changes() -> None:
    async def main() -> None:
        call = Caller()
        await call.ok("POST", CRDS, crd(FREE))
        await call.ok("POST", WIDGETS, widget("a"))
        watching = await call.response("GET", f"{WIDGETS}?watch=1")
        await call.merge(f"{CRDS}/widgets.demo.example", {"spec": {"names": {"shortNames": ["wi"]}}})
        with trio.fail_after(5):
            assert [each["type"] for each in await lines(watching, 100)] == ["ADDED"]

    trio.run(main)


def test_nothing_is_created_while_the_definition_is_being_deleted() -> None:
    async def main() -> None:
        call = Caller()
        await call.ok("POST", CRDS, crd(FREE))
        held = widget("a")
        held["metadata"]["finalizers"] = ["example.com/held"]
        await call.ok("POST", WIDGETS, held)
        gone = await call.ok("DELETE", f"{CRDS}/widgets.demo.example")
        assert conditions(gone)["Terminating"] == ("True", "InstanceDeletionPending")
        found = await call.ok("GET", f"{CRDS}/widgets.demo.example")
        assert conditions(found)["Terminating"] == ("True", "InstanceDeletionInProgress")
        status = await call.refused(403, "POST", WIDGETS, widget("b"))
        assert "create not allowed while custom resource definition is terminating" in status["message"]

    trio.run(main)


def test_a_deprecated_version_says_so() -> None:
    async def main() -> None:
        call = Caller()
        await call.ok("POST", CRDS, crd(FREE, deprecated=True))
        for path in (WIDGETS, f"{WIDGETS}/none"):
            response = await call.response("GET", path)
            assert ("Warning", '299 - "demo.example/v1 Widget is deprecated"') in response.headers

    trio.run(main)


def test_finalizers_without_a_domain_are_warned_of() -> None:
    async def main() -> None:
        call = Caller()
        await call.ok("POST", CRDS, crd(FREE))
        held = widget("a")
        held["metadata"]["finalizers"] = ["plain", "example.com/x", "a.b"]
        response = await call.response("POST", WIDGETS, held)
        said = [value for name, value in response.headers if name == "Warning"]
        assert len(said) == 2 and "including a path (/)" in said[0] and "plain" in said[1]

    trio.run(main)
