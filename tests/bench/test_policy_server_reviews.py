"""Reviews are compared with policy-server's where it was there."""

from __future__ import annotations

from tests.bench.policy_server_reviews import figures


def measurement(ms: float, per_s: float) -> dict[str, float]:
    return {"cpu_ms": ms, "p50_ms": 2 * ms, "p99_ms": 3 * ms, "per_s": per_s}


EDGED = {f"{kind}_edged_{n}": [measurement(1.0 * n, 100.0 * n)] * 3 for kind in ("wapc", "rego") for n in (1, 8)}
PEER = {f"{kind}_policy_server_{n}": [measurement(2.0 * n, 50.0 * n)] * 3 for kind in ("wapc", "rego") for n in (1, 8)}


def test_latency_and_cpu_are_of_one_connection_and_the_rate_of_eight() -> None:
    found = figures(EDGED | PEER)
    assert (found["wapc_cpu_ms"], found["rego_p99_ms"], found["wapc_per_s"]) == (1.0, 3.0, 800.0)
    assert (found["policy_server_wapc_p50_ms"], found["policy_server_rego_per_s"]) == (4.0, 400.0)
    ratios = [found[f"wapc_{what}_over_policy_server"] for what in ("cpu", "p50", "p99", "rate")]
    assert ratios == [0.5, 0.5, 0.5, 2.0]


def test_edged_alone_has_figures_and_no_ratios() -> None:
    assert not [key for key in figures(EDGED) if "policy_server" in key]
    assert figures(EDGED)["rego_cpu_ms"] == 1.0
