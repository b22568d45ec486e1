"""A side's CPU includes the API server's share, and both sides are compared where both were there."""

from __future__ import annotations

from tests.bench.whole import figures


def measurement(rss: float, cpu: float, apiserver: float) -> dict[str, float]:
    idle = {"cpu_idle": cpu, "apiserver_idle": apiserver}
    return {"rss": rss, "pss": rss / 2, **idle, "cpu_load": cpu, "apiserver_load": apiserver}


FOUND = {
    "nothing": [measurement(0.0, 0.0, 5.0)] * 3,
    "edged": [measurement(50.0, cpu, 6.0) for cpu in (1.0, 90.0, 1.0)],
    "peers": [measurement(150.0, 2.0, 7.0)] * 3,
}


def test_the_peers_are_divided_by_edged() -> None:
    found = figures(FOUND)
    assert (found["whole_edged_cpu_idle_percent"], found["whole_peers_cpu_idle_percent"]) == (2.0, 4.0)
    assert found["whole_peers_apiserver_load_percent"] == 2.0
    assert (found["whole_memory_over_edged"], found["whole_pss_over_edged"]) == (3.0, 3.0)
    assert (found["whole_cpu_idle_over_edged"], found["whole_cpu_load_over_edged"]) == (2.0, 2.0)


def test_edged_is_measured_where_the_peers_are_absent() -> None:
    found = figures({side: rounds for side, rounds in FOUND.items() if side != "peers"})
    assert found["whole_edged_rss_mib"] == 50.0
    assert not [key for key in found if key.endswith("_over_edged")]
