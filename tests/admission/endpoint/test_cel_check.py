"""CEL expressions of custom resources, checked by a child process."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from edged.admission.endpoint.cel_check import CelChecker
from edged.process import children


def test_expressions_are_checked_in_a_child_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    good = [
        "request.resource.group != 'x' && object.spec.items.exists(x, x.a == 1)",
        "authorizer.group('').resource('pods').check('get').allowed()",
        "oldObject == null || has(object.metadata.labels)",
    ]
    bad = {"1 +": "Syntax error", "params.a": "undeclared reference to 'params'", "foo(": "Syntax error"}

    async def main() -> None:
        checker = CelChecker()
        found = await checker.problems([*good, *bad])
        assert found.keys() == bad.keys()
        for text, words in bad.items():
            assert words in found[text]

        async def nobody(*_: Any, **__: Any) -> Any:
            raise AssertionError("asked again")

        monkeypatch.setattr(children, "run", nobody)
        assert (await checker.problems(["1 +", good[0]])).keys() == {"1 +"}

    trio.run(main)
