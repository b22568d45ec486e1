"""How a status is shown: the sentence first, tables that fit, everything with -o wide."""

from __future__ import annotations

from typing import Any

import pytest

from edged.cli.status_report import check_lines, print_everything, print_summary, span

PROBLEM = {"subject": "policies", "text": "gone: not enforced: a\n  b", "next_step": "mend it", "phrase": ""}
DIGEST = "sha256:" + "0123456789abcdef" * 4
LONG = "container \"web\" is privileged, which is not allowed in this cluster, and never was " * 3


def report(sentence: str, *problems: dict[str, str]) -> dict[str, Any]:
    """What a daemon with one policy answers; tests/daemon/test_health.py has real ones."""
    counts = {"accepted": 3, "rejected": 1, "mutated": 0, "timed_out": 1, "failed": 2}
    policy = {"mode": "protect", "state": "failed", "enforcement": "not_enforced", "error": LONG, "digest": DIGEST,
              "costly_because": "it calls kubernetes/can_i"}
    rejection = {
        "at": "2026-11-29T10:00:00Z", "policy": "p", "mode": "protect", "verdict": "rejected", "uid": "u" * 36,
        "operation": "CREATE", "kind": "Pod", "namespace": "default", "name": "web", "message": LONG,
    }  # fmt: skip
    plugin = {"plugin": "device-fit", "profiles": ["edged"], "points": ["filter", "score"], "digest": DIGEST}
    leader = {"lease": "kube-system/edged", "leads": True, "holder": "edge-1_" + "u" * 36, "problem": ""}
    return {
        "protection": {"sentence": sentence, "problems": list(problems)},
        "serving": True, "ready": True, "version": "0.1.0", "uptime_s": 7260.5, "memory_kib": {"rss": 65536, "pss": 1},
        "policies": {"gone": policy | counts}, "rejections": [rejection] * 12, "reloads": 0, "reload_error": "",
        "configured_at": "2026-11-29T10:00:00Z", "certificates": {"serving": "2027-02-27T14:49:37Z"},
        "kubernetes": {"server": "https://127.0.0.1:6443", "last_contact": "2026-11-29T10:00:00Z"},
        "registration": {"mode": "dynamic", "phase": "registered", "webhooks": {
            "shared-0123456789abcdef0123.webhooks.edged.dev": ["gone", "stays"], "alone.policy.edged.dev": ["alone"],
        }},
        "custom_resources": {"resources": [
            {"object": "ClusterAdmissionPolicy x", "policy": "clusterwide-x", "status": "pending", "why": LONG},
        ]},
        "audit": {"interval_s": 60, "last": {"scanned": 4}, "next": "2026-11-29T11:00:00Z"},
        "scheduler": {"pending": {"active": 0}, "profiles": ["edged"], "plugins": [plugin], "leader": leader},
        "internal_errors": {"counts": {"review": 2}, "last": []},
    }  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_summary_fits(width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_summary(report("1 of 2 policies in force; " + LONG, PROBLEM))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert text.startswith("1 of 2 policies in force; container")
    assert "policies: gone: not enforced: a; b next: mend it" in text
    for shown in ("not enforced", "device-fit", "ClusterAdmissionPolicy", "default/", "2h", "0.1.0", "by edge-1"):
        assert shown in text, shown
    assert "gone, stays" in text and "gone it calls kubernetes/can_i" in text
    assert "u" * 36 not in text and DIGEST not in text, "no UIDs, short digests"
    assert text.count(" ago ") == 10 and "alone" not in text


def test_wide_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    print_everything(report("1 of 2 policies in force.", PROBLEM))
    text = capsys.readouterr().out
    assert text.startswith("1 of 2 policies in force.\npolicies: gone: not enforced: a; b. Next: mend it\n")
    assert LONG.strip() in text and DIGEST in text and "u" * 36 in text and text.count("rejected ") >= 12


def test_one_line_for_each_problem() -> None:
    lines = list(check_lines({"sentence": "All is well.", "problems": [PROBLEM, PROBLEM]}))
    assert lines == ["All is well.", *["policies: gone: not enforced: a; b. Next: mend it"] * 2]


def test_a_report_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    print_everything(
        {
            "protection": {"sentence": "Protected.", "problems": []},
            "node": "edge-1",
            "uptime_s": 12.50,
            "memory": {"rss": 1024, "pss": None},
            "policies": [
                {"name": "a", "state": "serving", "error": ""},
                {"name": "b", "state": "failed", "error": "no\nfile", "more": ["x", "y"]},
            ],
            "plugins": [],
            "limits": {"a": {"mib": 64}, "b": {"mib": 1}},
        }
    )
    assert capsys.readouterr().out.splitlines() == [
        "Protected.",
        "",
        "NAME         VALUE",
        "node         edge-1",
        "uptime_s     12.5",
        "memory.rss   1024",
        "memory.pss   -",
        "plugins      -",
        "",
        "POLICIES",
        "NAME   STATE     ERROR      MORE",
        "a      serving   -          -",
        "b      failed    no\\nfile   x, y",
        "",
        "LIMITS",
        "NAME   MIB",
        "a      64",
        "b      1",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(5, "5s"), (150, "2m"), (7300, "2h"), (200000, "2d")])
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_controllers_are_a_table_and_their_watches_one_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    watch = {"id": "self", "kind": "Lock", "selector": "", "objects": 7, "synced": True, "shared": False}
    told = {"name": "ipam", "state": "running", "queue": 2, "waiting": 1, "watches": [watch, watch], "reconciles": 40,
            "errors": 2, "traps": 1, "memory_kib": 1536, "last_error": "a\n  b", "error": ""}  # fmt: skip
    shown = report("fine") | {"controllers": [told, {"name": "gone", "state": "loading", "error": "no such file"}]}
    print_summary(shown)
    text = " ".join(capsys.readouterr().out.split())
    assert "ipam running 3 2 14 40 3 1.5 MiB a; b" in text and "gone loading 0 0 0 0 0 - no such file" in text
    print_everything(shown)
    out = capsys.readouterr().out
    assert "CONTROLLERS.WATCHES" in out and out.count("Lock") == 2
