"""`edged policy bench`: what it measures."""

from __future__ import annotations

import json
from pathlib import Path

from edged.cli.policy.bench import percentile
from edged.wasm.binary import append_custom_section
from edged.wasm.bindings import wat2wasm
from tests.admission.host.image_guests import guest
from tests.cli.policy.support import PRIVILEGED, Policy, fault, sample, write


def test_bench_measures_and_prints_json(policy: Policy, tmp_path: Path):
    times = ("--warm-up-time", "0", "--measurement-time", "0.05", "--sample-size", "5")
    request = write(tmp_path / "pod.json", PRIVILEGED)
    code, out, _ = policy("bench", "-r", request, *times, "-o", "json", sample("pod-privileged"))
    [row] = json.loads(out)
    assert code == 0
    assert row["n"] >= 5
    assert row["min_ms"] <= row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] <= row["max_ms"]
    assert row["verdicts"] == {"rejected": row["n"]}
    trap = write(tmp_path / "trap.wasm", fault("trap-unreachable"))
    code, _, err = policy("bench", "-r", request, *times, trap)
    assert (code, "policy trap failed" in err) == (1, True)
    assert policy("bench", "-r", request, "--sample-size", "0", sample("pod-privileged"))[0] == 2


def test_bench_measures_from_an_image_where_there_is_one(policy: Policy, tmp_path: Path):
    times = ("--warm-up-time", "0", "--measurement-time", "0.05", "--sample-size", "3")
    request = write(tmp_path / "pod.json", PRIVILEGED)
    slow = tmp_path / "slow.wasm"
    metadata = {"protocolVersion": "v1", "mutating": False, "rules": []}
    slow.write_bytes(append_custom_section(
        wat2wasm(guest("(call $spin (i32.const 30000000))")), "io.kubewarden.metadata", json.dumps(metadata).encode()
    ))  # fmt: skip
    code, out, err = policy("bench", "-r", request, *times, "-o", "json", str(slow))
    [row] = json.loads(out)
    assert (code, row["fresh_because"], "starts fresh" in err) == (0, "", False)
    assert row["image"]["n"] >= 3 and row["image"]["verdicts"] == {next(iter(row["verdicts"])): row["image"]["n"]}
    code, out, _ = policy("bench", "-r", request, *times, str(slow))
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["slow", "fresh"], ["slow", "image"]]
    command = sample("required-labels")
    code, out, err = policy("bench", "-r", request, *times, "-o", "json", command)
    [row] = json.loads(out)
    assert (code, row["image"]) == (0, None) and row["fresh_because"] in err


def test_percentiles_are_values_that_were_measured():
    assert [percentile(list(map(float, range(1, 101))), rank) for rank in (50, 95, 99)] == [50.0, 95.0, 99.0]
    assert percentile([7.0], 99) == 7.0
