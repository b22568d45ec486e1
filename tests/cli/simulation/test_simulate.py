"""`edged schedule simulate`: what is read, what is changed, what is printed."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from edged.cli import main as cli
from edged.cli import progress
from edged.cli.simulation import inputs
from edged.cli.simulation.report import CHANGES
from edged.wasm.bindings import wat2wasm
from tests.cluster.cluster import Cluster, Sandbox
from tests.guests.scheduler import build
from tests.scheduling.makers import node, pod

MODULES = Path(__file__).parents[3] / "modules" / "scheduling"


def objects() -> list[dict[str, Any]]:
    running = pod("web-1", node="a", requests={"cpu": "3"}, scheduler="default-scheduler")
    running["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-5d8", "controller": True}]
    running["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    waiting = pod("new", requests={"cpu": "2"}, scheduler="default-scheduler")
    kinds = [("Node", node("a")), ("Node", node("b")), ("Pod", running), ("Pod", waiting)]
    return [{**obj, "kind": kind, "apiVersion": "v1"} for kind, obj in kinds]


@pytest.fixture
def cluster(tmp_path: Path) -> str:
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump({"kind": "List", "apiVersion": "v1", "items": objects()}))
    return str(path)


def simulate(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.main(["schedule", "simulate", *arguments]) == code
    return capsys.readouterr().out


def data(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(simulate(capsys, *arguments, "-o", "json"))
    return found


def placed(found: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {p["pod"].removeprefix("default/"): (p["node"], p["was"], p["change"]) for p in found["pods"]}


def test_as_tables(cluster: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(capsys, "-f", cluster, "-o", "wide").splitlines() == [
        "2 nodes, 2 Pods: 1 placed, 1 same",
        "profiles: the defaults",
        "",
        "POD           NODE   WAS   CHANGE   BECAUSE OF   WHY",
        "default/new   b      -     placed   -            b is the only node that passes all filters: there was "
        "nothing to score",
        "",
        "NODE   PODS    CPU   MEMORY",
        "a      1/110   3/4   0/8Gi",
        "b      1/110   2/4   0/8Gi",
    ]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_tables_fit_and_names_stay_apart(
    tmp_path: Path, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    names = [f"edge-node-{n}.workshop.example.lan" for n in range(1, 9)]
    items = [{**node(name, cpu="2"), "kind": "Node"} for name in names]
    items += [{**pod(f"web-5d8c7b9f6-{n:02}x7k", node=names[n % 8], requests={"cpu": "300m", "memory": "512Mi"}),
               "kind": "Pod"} for n in range(24)]  # fmt: skip
    items += [{**pod(f"batch-job-number-{n}-of-the-night", requests={"cpu": "32"}), "kind": "Pod"} for n in range(3)]
    path = tmp_path / "c.json"
    path.write_bytes(orjson.dumps({"kind": "List", "items": items}))
    lines = simulate(capsys, "-f", str(path), "--drain", names[2], "--add-nodes", f"2={names[0]}").splitlines()
    assert max(map(len, lines)) <= width
    start = next(n for n, line in enumerate(lines) if line.startswith("NODE"))
    shown = [line.split("   ")[0] for line in lines[start + 1 :]]
    assert len(set(shown)) == len(shown) == 10
    assert [name.endswith(" (new)") for name in shown].count(True) == 2
    assert not any("…" in line.split("   ", 1)[1].replace(" ", "") for line in lines[start + 1 :])
    first = next(n for n, line in enumerate(lines) if line.startswith("POD ")) + 1
    pods = [line.split("   ")[0] for line in lines[first : lines.index("", first)]]
    assert len(set(pods)) == len(pods) == 6
    reasons = " ".join(line.strip() for line in lines)
    told = "0/10 nodes are available: 1 node(s) were unschedulable, 9 Insufficient cpu."
    assert told in reasons if width < 110 else "WHY" in reasons


def test_one_reason_for_many_pods(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    items = [{**node("a"), "kind": "Node"}]
    items += [{**pod(f"p{n}", requests={"cpu": "32"}), "kind": "Pod"} for n in range(9)]
    items += [{**pod(f"q{n}", nodeSelector={"disk": str(n)}), "kind": "Pod"} for n in range(2)]
    path = tmp_path / "c.json"
    path.write_bytes(orjson.dumps({"kind": "List", "items": items}))
    told = [line for line in simulate(capsys, "-f", str(path)).splitlines() if line.startswith("pending:")]
    assert told[0].startswith("pending: default/p0, default/p1 and 7 more: 0/1 nodes are available:")
    assert len(told) == 2


def test_many_rows_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    items = [{**node(f"n{n:03}"), "kind": "Node"} for n in range(230)]
    items += [{**pod(f"p{n:03}", requests={"cpu": "100m"}), "kind": "Pod"} for n in range(210)]
    path = tmp_path / "c.json"
    path.write_bytes(orjson.dumps({"kind": "List", "items": items}))
    out = simulate(capsys, "-f", str(path), "--drain", "n229").splitlines()
    assert "and 10 more; --all shows them" in out
    assert "and 30 more; --all shows them" in out
    assert not any("more; --all" in line for line in simulate(capsys, "-f", str(path), "--all").splitlines())


def test_a_drain_is_compared_with_no_drain(cluster: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = data(capsys, "-f", cluster, "--drain", "a")
    assert found["changes"] == ["a drained: 1 Pod needs another node"]
    assert placed(found) == {"web-1": ("b", "a", "moved"), "new": ("", "b", "pending")}
    assert "1 node(s) were unschedulable" in next(p["why"] for p in found["pods"] if p["pod"] == "default/new")
    assert found["summary"] == {
        "pending": 1, "evicted": 0, "moved": 1, "placed": 0, "new": 0, "elsewhere": 0, "same": 0, "gone": 0,
    }  # fmt: skip
    (of_a,) = [n for n in found["nodes"] if n["name"] == "a"]
    assert (of_a["before"]["cpu_milli"], of_a["cpu_milli"]) == (3000, 0)
    simulate(capsys, "-f", cluster, "--strict")
    simulate(capsys, "-f", cluster, "--drain", "a", "--strict", code=1)


def test_changes_add_up(cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extra = tmp_path / "extra.yaml"
    extra.write_text(yaml.safe_dump({**pod("extra", requests={"cpu": "1"}), "kind": "Pod"}))
    options = ["--remove-node", "a", "--add-nodes", "2=b", "--scale", "web=2", "--add-pods", str(extra)]
    found = data(capsys, "-f", cluster, *options)
    assert found["summary"]["pending"] == 0
    assert {n["name"]: n.get("removed", False) for n in found["nodes"]} == {
        "b": False, "b-added-1": False, "b-added-2": False, "a": True,
    }  # fmt: skip
    assert placed(found)["extra"][2] == placed(found)["web-scaled-1"][2] == "new"
    assert placed(found)["web-1"][2] == "moved"


def test_a_weight_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Full of images, or empty: what counts is what is weighed."""
    nodes = [node("full", cpu="4", images={"registry.local/app:1": 200 << 20}), node("empty", cpu="16")]
    items = [{**n, "kind": "Node"} for n in nodes] + [{**pod("p", requests={"cpu": "3"}), "kind": "Pod"}]
    path = tmp_path / "c.json"
    path.write_bytes(orjson.dumps({"kind": "List", "items": items}))
    assert placed(data(capsys, "-f", str(path)))["p"][0] == "empty"
    found = data(capsys, "-f", str(path), "--weight", "ImageLocality=50", "--details")
    assert placed(found)["p"] == ("full", "empty", "elsewhere")
    (details,) = [p["nodes"] for p in found["pods"]]
    assert details["full"]["final"]["ImageLocality"] == 50 * details["full"]["score"]["ImageLocality"]


def test_equal_nodes_are_no_reason_to_go_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = [{**node(f"edge-node-{n}.lan"), "kind": "Node"} for n in range(30)]
    items += [{**pod(f"p{n}", requests={"cpu": "100m"}), "kind": "Pod"} for n in range(20)]
    path = tmp_path / "c.json"
    path.write_bytes(orjson.dumps({"kind": "List", "items": items}))
    used = {place for place, _, _ in placed(data(capsys, "-f", str(path))).values()}
    spare = next(n for n in range(30) if f"edge-node-{n}.lan" not in used)
    for change in (["--drain", f"edge-node-{spare}.lan"], ["--cordon", f"edge-node-{spare}.lan"], ["--seed", "7"]):
        found = data(capsys, "-f", str(path), "--weight", "NodeResourcesFit=2", *change)
        assert found["summary"]["same"] == 20, change


def test_a_guest_module_takes_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The real module in the real host: only the node that reports a camera fits."""
    nodes = [node("with", labels={"device.edged.dev/camera": "1"}), node("without", cpu="64")]
    items = [{**n, "kind": "Node"} for n in nodes]
    items.append({**pod("p", labels={"edged.dev/device": "camera"}), "kind": "Pod"})
    path = tmp_path / "c.json"
    path.write_bytes(orjson.dumps({"kind": "List", "items": items}))
    config = tmp_path / "edged.toml"
    config.write_text(
        f'[node]\ncache_dir = "{tmp_path}/cache"\nstate_dir = "{tmp_path}/state"\n[scheduler]\nnames = ["edged"]\n'
    )
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "state").mkdir(mode=0o700)
    module = f"device-fit={MODULES}/device-fit/device-fit.wasm"
    assert placed(data(capsys, "-f", str(path), "--config", str(config)))["p"][0] == "without"
    found = data(capsys, "-f", str(path), "--config", str(config), "--module", module, "--details")
    assert placed(found)["p"] == ("with", "without", "elsewhere")
    (of_pod,) = found["pods"]
    assert of_pod["nodes"]["with"]["filter"]["device-fit"] == "passed"
    assert "camera" in of_pod["nodes"]["without"]["filter"]["device-fit"]


def test_a_module_without_configuration_reads_nothing(
    cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "g.wasm"
    module.write_bytes(wat2wasm(build.wat("config-at-start")))
    found = data(capsys, "-f", cluster, "--module", f"g={module}")
    assert found["changes"] and "node" in found["pods"][0]


def test_sidecars_of_the_hosts_network_have_their_ports_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their ports are the host's without a word, as the API server fills them in: for Pods that run and that come."""
    sidecar = {"name": "s", "image": "s", "restartPolicy": "Always", "ports": [{"containerPort": 8081}]}
    fields: dict[str, Any] = {"hostNetwork": True, "initContainers": [sidecar], "scheduler": "default-scheduler"}
    items = [{**node(name), "kind": "Node"} for name in ("a", "b")]
    items += [{**pod("p1", node="a", **fields), "kind": "Pod"}]
    items += [{**pod(name, **fields), "kind": "Pod"} for name in ("p2", "p3")]
    path = tmp_path / "c.json"
    path.write_bytes(orjson.dumps({"kind": "List", "items": items}))
    found = placed(data(capsys, "-f", str(path)))
    assert sorted(found[name][0] for name in ("p2", "p3")) == ["", "b"]


def test_the_profiles_of_a_kube_scheduler_configuration(
    cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "scheduler.yaml"
    config.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles:\n"
        "- schedulerName: packed\n  plugins: {filter: {disabled: [{name: NodeResourcesFit}]}}\n"
    )
    found = data(capsys, "-f", cluster, "--scheduler-config", str(config))
    assert found["profiles_from"] == str(config)
    assert any("default-scheduler" in note for note in found["notes"])
    assert placed(found)["new"][2] == "placed"


HEADER = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def test_a_configuration_in_the_input_is_read_as_strictly_as_the_schedulers_own_file(
    cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "scheduler.yaml"
    for text, said in (
        (f"a: b\n---\n{HEADER}profiles: []\nprofiles: []\n", "document 2: "),
        (f"{HEADER}bogus: true\n", "document 1: bogus: unknown field"),
        ('{"kind": "KubeSchedulerConfiguration", "kind": "KubeSchedulerConfiguration"}', 'duplicate field "kind"'),
    ):
        config.write_text(text)
        assert cli.main(["schedule", "simulate", "-f", cluster, "-f", str(config)]) == 2
        error = capsys.readouterr().err
        assert f"{config}: " in error
        assert said in error


def test_configurations_that_are_not_used_are_named(
    cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for name in ("first", "second"):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(f"{HEADER}profiles: [{{schedulerName: {name}}}]\n")
    both = ["-f", cluster, *(word for file in files for word in ("-f", str(file)))]
    found = data(capsys, *both)
    unused = f"{files[0]}: document 1: a KubeSchedulerConfiguration that is not used; {files[1]}: document 1 counts"
    assert unused in found["notes"]
    assert found["profiles_from"] == "the configuration that came with the cluster"
    notes = data(capsys, *both, "--scheduler-config", str(files[0]))["notes"]
    assert any(note.endswith(f"a KubeSchedulerConfiguration that is not used; {files[0]} counts") for note in notes)
    added = tmp_path / "added.yaml"
    added.write_text(f"{HEADER}bogus: true\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: more}}\n"
                     "spec: {containers: [{name: c, image: i}]}\n")  # fmt: skip
    notes = data(capsys, "-f", cluster, "--add-pods", str(added))["notes"]
    assert any(note.startswith(f"{added}: document 1: not used: a configuration of the scheduler") for note in notes)


def test_folders_stdin_and_exports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    first, *rest = objects()
    (folder / "1.json").write_bytes(orjson.dumps(first))
    (folder / "2.yaml").write_text(yaml.safe_dump_all(rest))
    (folder / "readme.txt").write_text("not this one")
    expected = placed(data(capsys, "-f", str(folder)))
    assert set(expected) == {"web-1", "new"}
    export = {"nodes": objects()[:2], "pods": objects()[2:], "pvs": [], "schedulerConfig": None}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(orjson.dumps(export))))
    assert placed(data(capsys, "-f", "-")) == expected


def test_a_folder_of_everything_and_what_is_said_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "dump" / "shop"
    folder.mkdir(parents=True)
    (tmp_path / "dump" / "nodes.json").write_bytes(orjson.dumps({"kind": "NodeList", "apiVersion": "v1", "items": [
        node("a"), node("b")]}))  # fmt: skip
    (folder / "pods.json").write_bytes(orjson.dumps([{**obj, "kind": "Pod"} for obj in objects()[2:]]))
    (folder / "values.yaml").write_text("nodes: {}\nname: x\n")
    (folder / "broken.yaml").write_text("a: [")
    (folder / "others.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\n"
        "apiVersion: longhorn.io/v1beta2\nkind: Node\nmetadata: {name: c}\n---\n"
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\n"
    )
    found = data(capsys, "-f", str(tmp_path / "dump"))
    assert set(placed(found)) == {"web-1", "new"}
    assert [n["name"] for n in found["nodes"]] == ["a", "b"]
    notes = [note.replace(f"{tmp_path}/dump/", "") for note in found["notes"]]
    assert notes[:2] == [
        "ignored: 1 Deployment, 1 Node of longhorn.io/v1beta2, 1 ResourceQuota",
        "not enforced: ResourceQuotas",
    ]
    assert notes[2].startswith("shop/broken.yaml: not valid YAML")
    assert notes[2].endswith("skipped, because it cannot be read")
    assert notes[3:5] == [
        "shop/values.yaml: document 1: skipped, because it has no kind",
        "Deployment default/d: has no Pods in the input; --add-pods makes them, and their claims",
    ]
    assert data(capsys, "-f", str(tmp_path / "dump"), "-f", str(tmp_path / "dump"))["notes"] == found["notes"]


def test_files_that_are_added_are_added_together(
    cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = {"name": "d", "metadata": {"name": "d"}, "spec": {"storageClassName": "zonal"}}
    template = {"spec": {"runtimeClassName": "heavy", "containers": [{"name": "c"}]}}
    stateful = {"kind": "StatefulSet", "metadata": {"name": "s"}, "spec": {
        "template": template, "volumeClaimTemplates": [claim]}}  # fmt: skip
    storage = {"kind": "StorageClass", "metadata": {"name": "zonal"}, "provisioner": "disk.example",
               "volumeBindingMode": "WaitForFirstConsumer"}  # fmt: skip
    runtime = {"kind": "RuntimeClass", "metadata": {"name": "heavy"}, "overhead": {"podFixed": {"cpu": "3"}}}
    files = []
    for number, document in enumerate((stateful, storage, runtime)):
        path = tmp_path / f"{number}.json"
        path.write_bytes(orjson.dumps(document))
        files += ["--add-pods", str(path)]
    found = data(capsys, "-f", cluster, *files)
    assert found["changes"] == ["1 Pod, 1 RuntimeClass, 1 StorageClass, 1 claim of their volumes added"]
    assert not [note for note in found["notes"] if "StorageClass" in note or "RuntimeClass" in note]
    assert placed(found)["s-0"][2] == "pending"  # its overhead counts


def test_a_live_cluster_is_only_read(api_server: Sandbox | Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    name = "simulate-live"
    waiting = {**pod("p", requests={"cpu": "1"}, namespace=name, scheduler="nobody"), "kind": "Pod", "apiVersion": "v1"}
    del waiting["metadata"]["uid"]
    of_node = {**node(f"{name}-node"), "kind": "Node", "apiVersion": "v1"}
    namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default", "namespace": name}}
    for obj in (namespace, account, of_node, waiting):
        api_server.kubectl("apply", "--server-side", "-f", "-", stdin=orjson.dumps(obj).decode())
    try:
        found = data(capsys, "--live", "--kubeconfig", str(api_server.kubeconfig))
        (told,) = [p for p in found["pods"] if p["pod"] == f"{name}/p"]
        assert told["change"] in ("placed", "pending")
        assert f"{name}-node" in [n["name"] for n in found["nodes"]]
        seen = api_server.kubectl("get", "pod", "p", "-n", name, "-o", "jsonpath={.spec.nodeName}")
        assert seen.stdout == ""
    finally:
        api_server.kubectl("delete", "pod", "p", "-n", name, "--grace-period=0", "--force")
        api_server.kubectl("delete", "node", f"{name}-node")


def test_a_dump_of_kubectl_is_a_picture(
    api_server: Sandbox | Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "simulate-dump"
    waiting = {**pod("p", requests={"cpu": "1"}, namespace=name, scheduler="nobody"), "kind": "Pod", "apiVersion": "v1"}
    del waiting["metadata"]["uid"]
    for obj in (
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}},
        {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default", "namespace": name}},
        {**node(f"{name}-node"), "kind": "Node", "apiVersion": "v1"}, waiting,
    ):  # fmt: skip
        api_server.kubectl("apply", "--server-side", "-f", "-", stdin=orjson.dumps(obj).decode())
    try:
        api_server.kubectl("cluster-info", "dump", "--namespaces", name, "--output-directory", str(tmp_path / "dump"))
        found = data(capsys, "-f", str(tmp_path / "dump"))
        assert [told["pod"] for told in found["pods"]] == [f"{name}/p"]
        assert f"{name}-node" in [each["name"] for each in found["nodes"]]
    finally:
        api_server.kubectl("delete", "pod", "p", "-n", name, "--grace-period=0", "--force")
        api_server.kubectl("delete", "node", f"{name}-node")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either -f FILE or --live"),
        (["-f", "{cluster}", "--live"], "either -f FILE or --live"),
        (["-f", "/nonexistent"], "/nonexistent: No such file"),
        (["-f", "{bad}"], "not valid YAML"),
        (["-f", "{empty}"], "the input has no Node"),
        (["-f", "{cluster}", "--drain", "z"], "--drain: there is no node 'z'; there are a, b"),
        (["-f", "{cluster}", "--cordon", "aa"], "--cordon: there is no node 'aa'; did you mean a?"),
        (["-f", "{cluster}", "--scale", "wbe=2"], "belongs to a workload 'wbe'; did you mean default/web?"),
        (["-f", "{cluster}", "--scale", "x/web=2"], "--scale: no Pod in namespace x belongs to a workload 'web'"),
        (["-f", "{cluster}", "--reschedule", "web-2"], "no running Pod is meant by 'web-2'"),
        (["-f", "{cluster}", "--add-pods", "/nonexistent"], "--add-pods: /nonexistent: No such file"),
        (["-f", "{cluster}", "--weight", "Nope=2"], "no profile has a plugin 'Nope'; there are DefaultBinder"),
        (["-f", "{cluster}", "--weight", "NodeResourceFit=2"], "'NodeResourceFit'; did you mean NodeResourcesFit?"),
        (
            ["-f", "{amount}"],
            "amount: document 1: items[1]: Pod shop/p: spec.containers[0].resources.requests.cpu: 'abc' is not a",
        ),
        (["-f", "{shape}"], "shape: document 1: Node a: spec.taints[0]: must be an object, not a string"),
        (["-f", "{cluster}", "--module", "x=/nonexistent.wasm"], "/nonexistent.wasm: no such file"),
        (["-f", "{cluster}", "--module", "x={bad}"], "not a WebAssembly module"),
        (["-f", "{cluster}", "--details"], "--details goes with"),
        (["-f", "{cluster}", "--html", "/nonexistent/x.html"], "--html /nonexistent/x.html: No such file"),
    ],
)
def test_what_is_wrong(
    arguments: list[str], said: str, cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad").write_text("a: [b")
    (tmp_path / "empty").write_text("kind: List\nitems: []\n")
    wrong = pod("p", namespace="shop", requests={"cpu": "abc"})
    items = [{**node("a"), "kind": "Node"}, {**wrong, "kind": "Pod"}]
    (tmp_path / "amount").write_text(yaml.safe_dump({"kind": "List", "items": items}))
    (tmp_path / "shape").write_text("{kind: Node, metadata: {name: a}, spec: {taints: [gpu]}}")
    paths = {name: str(tmp_path / name) for name in ("bad", "empty", "amount", "shape")} | {"cluster": cluster}
    assert cli.main(["schedule", "simulate", *(a.format(**paths) for a in arguments)]) in (1, 2)
    assert said in capsys.readouterr().err


def test_a_page_is_written_over_only_when_that_is_asked(
    cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = tmp_path / "page.html"
    html.write_text("mine")
    assert cli.main(["schedule", "simulate", "-f", cluster, "--html", str(html)]) == 2
    said = capsys.readouterr().err
    assert f"{html} exists" in said and "--force writes over it" in said
    assert html.read_text() == "mine"
    simulate(capsys, "-f", cluster, "--html", str(html), "--force")
    assert "Where Pods go" in html.read_text()


def test_long_work_tells_how_far_it_is(
    cluster: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_QUIET_S", 0.0)
    monkeypatch.setattr(progress, "_LINES_S", 0.0)
    monkeypatch.setattr(inputs, "LARGE_YAML", 10)
    arguments = ["schedule", "simulate", "-f", cluster, "--drain", "a"]
    assert cli.main(arguments) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"reading {cluster}, ")
    assert told[0].endswith(" kB")
    assert "placing Pods without the changes: attempt 1, 1 Pods wait" in told
    assert "placing Pods with the changes: attempt 2, 2 Pods wait" in told
    assert cli.main([*arguments, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


WRONG_OPTIONS = ["--weight=x", "--weight=A=0", "--add-nodes=x=a", "--add-nodes=0=a", "--scale=web", "--module=x"]


@pytest.mark.parametrize("option", WRONG_OPTIONS)
def test_options_that_do_not_parse(option: str, cluster: str) -> None:
    assert cli.main(["schedule", "simulate", "-f", cluster, option]) == 2


def test_the_documentation_explains_the_words() -> None:
    told = (Path(__file__).parents[3] / "docs" / "scheduling.md").read_text()
    assert [word for word, meaning in CHANGES.items() if f"| `{word}` | {meaning} |" not in told] == []


def test_extenders_are_not_asked_and_that_is_said(
    cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "scheduler.yaml"
    config.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
        "extenders: [{urlPrefix: 'http://127.0.0.1:1/x', filterVerb: filter}]\n"
    )
    arguments = ["-f", cluster, "--scheduler-config", str(config), "-o", "wide"]
    assert f"note: not called: 1 HTTP extender of {config}" in simulate(capsys, *arguments).splitlines()
