"""What is remembered of attempts, and for how many Pods."""

from __future__ import annotations

from edged.kube.values.names import NamespacedName
from edged.scheduling.explain.records import Record, Records
from tests.scheduling.explain.test_result_annotations import attempt
from tests.scheduling.makers import node, pod


def key(name: str) -> NamespacedName:
    return NamespacedName("default", name)


def record(name: str, nodes: int = 2, attempts: int = 1) -> Record:
    found = attempt([node(f"n{i}") for i in range(nodes)], pod(name))
    found.attempts = attempts
    return found


def test_memory_is_bounded_in_pods_and_in_cells() -> None:
    records = Records(3)
    for n in range(5):
        records.add(record(f"p{n}"))
    assert [r.evaluation.pod.key.name for r in records.latest()] == ["p4", "p3", "p2"]
    one = record("large", nodes=50)
    records = Records(100, cells=2 * one.cells)
    for n in range(6):
        records.add(record(f"p{n}", nodes=50))
    assert len(records) == 2
    records.add(record("huge", nodes=500))
    assert len(records) == 1  # the latest is kept, whatever its size


def test_earlier_attempts_are_a_line_each() -> None:
    records = Records(3)
    for n in range(12):
        records.add(record("p", attempts=n + 1))
    assert len(records) == 1
    assert [earlier.attempts for earlier in records.earlier(key("p"))] == [4, 5, 6, 7, 8, 9, 10, 11]
