"""A definition whose objects have finalizers goes when the last of them went, as on kube-apiserver."""

from __future__ import annotations

import trio

from tests.sandbox.harness import CRDS, WIDGETS, Caller, crd, widget


def test_a_definition_goes_with_the_last_of_its_objects() -> None:
    async def main() -> None:
        call = Caller()
        await call.ok("POST", CRDS, crd({"type": "object", "x-kubernetes-preserve-unknown-fields": True}))
        for name in ("a", "b"):
            held = widget(name)
            held["metadata"]["finalizers"] = ["example.com/held"]
            await call.ok("POST", WIDGETS, held)
        await call.ok("DELETE", f"{CRDS}/widgets.demo.example")
        assert (await call.ok("GET", f"{WIDGETS}/a"))["metadata"]["deletionTimestamp"]
        await call.merge(f"{WIDGETS}/a", {"metadata": {"finalizers": None}})
        assert (await call.ok("GET", f"{CRDS}/widgets.demo.example"))["metadata"]["deletionTimestamp"]
        await call.merge(f"{WIDGETS}/b", {"metadata": {"finalizers": None}})
        await call.refused(404, "GET", f"{CRDS}/widgets.demo.example")
        assert (await call.response("GET", WIDGETS)).status == 404

    trio.run(main)


def test_a_definition_takes_its_objects_along() -> None:
    async def main() -> None:
        call = Caller()
        await call.ok("POST", CRDS, crd({"type": "object", "x-kubernetes-preserve-unknown-fields": True}))
        for name in ("a", "b"):
            await call.ok("POST", WIDGETS, widget(name))
        await call.ok("DELETE", f"{CRDS}/widgets.demo.example")
        await call.refused(404, "GET", f"{CRDS}/widgets.demo.example")
        assert (await call.response("GET", WIDGETS)).status == 404

    trio.run(main)
