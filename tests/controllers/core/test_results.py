from __future__ import annotations

import pytest

from edged.controllers.core.keys import Key
from edged.controllers.core.results import DONE, ReconcileResult, mapped_keys, result_of
from edged.errors import GuestError


@pytest.mark.parametrize(
    ("code", "body", "result"),
    [
        (0, b"", DONE), (0, b"{}", DONE),
        (0, b'{"requeueAfterMs":1500}', ReconcileResult(1.5)), (0, b'{"requeueAfterMs":0}', ReconcileResult(0.0)),
        (0, b'{"requeueOn":"sync"}', ReconcileResult(requeue_on_sync=True)),
        (0, b'{"error":"no","terminal":true}', ReconcileResult(error="no", terminal=True)),
        (0, b'{"terminal":true}', ReconcileResult(error="terminal, without a reason", terminal=True)),
        (-1, b"", ReconcileResult(error="the reconcile answered -1 (retry)")),
        (-2, b"", ReconcileResult(error="the reconcile answered -2 (terminal)", terminal=True)),
        (-9, b"", ReconcileResult(error="the reconcile answered -9")),
    ],
)  # fmt: skip
def test_what_a_reconcile_answered(code, body, result):
    assert result_of(code, body) == result


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the reconcile's answer"), (b"[]", "must be an object"), (b'{"requeueAfterMs":-1}', "requeueAfterMs"),
        (b'{"requeueAfterMs":"1"}', "requeueAfterMs: must be an integer"), (b'{"requeueOn":"x"}', "requeueOn"),
        (b'{"error":5}', "error: must be a string"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none(body, message):
    with pytest.raises(GuestError, match=message):
        result_of(0, body)


def test_a_long_error_is_cut():
    assert len(result_of(0, b'{"error":"%b"}' % (b"x" * 5000)).error) == 1024


def test_a_mapping_answers_keys() -> None:
    body = b'{"keys":[{"name":"a"},{"kind":"Pod","namespace":"n","name":"b"}]}'
    assert mapped_keys(0, body, "Subnet") == (Key("Subnet", "", "a"), Key("Pod", "n", "b"))
    assert mapped_keys(0, b"", "Subnet") == ()
    for code, wrong, message in (
        (-1, b"", "answered -1"), (0, b"[", "mapping"), (0, b'{"keys":[{}]}', r"keys\[0\].name"),
        (0, b'{"keys":1}', "keys"),
    ):  # fmt: skip
        with pytest.raises(GuestError, match=message):
            mapped_keys(code, wrong, "Subnet")
