"""`edged sandbox` as a program: what it starts with, what it saves, a daemon beside it, and wrong options."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "modules/admission/pod-privileged/pod-privileged.wasm"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {k: v}\n"


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "edged", "sandbox", *map(str, arguments)]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}


@contextmanager
def running(folder: Path, *arguments: str | Path) -> Iterator[tuple[str, list[str]]]:
    """(address, what it said so far) of a sandbox; its end must be a good one."""
    said: list[str] = []
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True, env=environment(folder)) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if line.startswith("sandbox ready "):
                break
        else:
            pytest.fail("".join(said))
        yield said[-1].split()[-1], said
        process.send_signal(signal.SIGTERM)
        said += process.stderr.readlines()
    assert process.returncode == 0, "".join(said)


def refused(folder: Path, *arguments: str | Path) -> str:
    ran = subprocess.run(command(*arguments), capture_output=True, text=True, env=environment(folder), timeout=60)
    assert ran.returncode == 2, ran.stderr
    return ran.stderr


def call(url: str, body: object = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("name", ["saved.yaml", "saved.json"])
def test_load_and_save(tmp_path: Path, name: str) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "map.yaml").write_text(MAP)
    saved = tmp_path / name
    with running(tmp_path, "--load", tmp_path / "objects", "--save", saved) as (url, said):
        assert said[0] == "loaded 1 objects\n"
        before = call(f"{url}/api/v1/namespaces/shop/configmaps/a")[1]
        assert before["data"] == {"k": "v"}
    # What an earlier one saved is written over, and nothing else is.
    with running(tmp_path, "--load", saved, "--save", saved) as (url, _):
        after = call(f"{url}/api/v1/namespaces/shop/configmaps/a")[1]
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
    saved.write_text("mine")
    assert "--force writes over it" in refused(tmp_path, "--save", saved)
    assert "does not exist" in refused(tmp_path, "--save", tmp_path / "nowhere" / name)
    assert "is a folder" in refused(tmp_path, "--save", tmp_path)


def test_faults_and_clock(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("# throttled at first\nget namespaces 429 times=1\n")
    options = ("--fault", f"@{rules}", "--fault", "list namespaces 503 times=1", "--clock", "2030-01-01T00:00:00Z")
    with running(tmp_path, *options) as (url, _):
        found = [call(f"{url}/api/v1/namespaces/default")[0] for _ in range(2)]
        found += [call(f"{url}/api/v1/namespaces")[0] for _ in range(2)]
        assert found == [429, 200, 503, 200]
        assert call(f"{url}/sandbox/clock", {"advance_s": 1}) == (200, {"now": "2030-01-01T00:00:01Z"})


def configuration(folder: Path, module: Path) -> Path:
    path = folder / "edged.toml"
    path.write_text(
        f'[node]\nname = "a"\nstate_dir = "{folder}/never"\n[kubernetes]\nkubeconfig = "/nowhere/of-production"\n'
        f'[admission]\nlisten = "0.0.0.0:8443"\n[[admission.policy]]\nname = "p"\nmodule = "file://{module}"\n'
    )
    return path


def test_a_daemon_beside_it(tmp_path: Path) -> None:
    """It has the user's policies, and nothing of the user's cluster and node."""
    config = configuration(tmp_path, MODULE)
    with running(tmp_path, "--policies", config) as (url, said):
        containers = [{"name": "c", "image": "i", "securityContext": {"privileged": True}}]
        pod = {"metadata": {"name": "p"}, "spec": {"containers": containers}}
        status, answer = call(f"{url}/api/v1/namespaces/default/pods", pod)
        assert status in (400, 403), answer
        assert "[p] Pod p: container" in answer["message"]
        assert not any("of-production" in line for line in said)
    assert not (tmp_path / "never").exists()


def test_wrong_options_are_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: Pod\n")
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n")
    assert "'sing' is no verb" in refused(tmp_path, "--fault", "sing * 409")
    assert "nothing: No such file" in refused(tmp_path, "--fault", f"@{tmp_path}/nothing")
    assert "is no time such as" in refused(tmp_path, "--clock", "now")
    assert "bad.yaml: document 1: this is no Kubernetes object" in refused(tmp_path, "--load", tmp_path / "bad.yaml")
    said = refused(tmp_path, "--load", tmp_path / "pod.yaml")
    assert 'pod.yaml: document 1: Pod "p" is invalid: spec.containers: Required value' in said
    assert "Traceback" not in said


def test_a_policy_that_cannot_be_loaded_ends_it(tmp_path: Path) -> None:
    said = refused(tmp_path, "--policies", configuration(tmp_path, tmp_path / "nothing.wasm"))
    assert "p: the module file is missing" in said
    config = configuration(tmp_path, MODULE)
    config.write_text(config.read_text().replace("[[admission.policy]]\nname", "[[admission.policy]]\nnam"))
    assert f"{config}:8" in refused(tmp_path, "--policies", config)
