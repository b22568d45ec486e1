"""`edged uninstall` on a node that `edged init` prepared, against the embedded API server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from edged import config as configuration
from edged.admission.endpoint.registration_modes import owner_identity
from edged.admission.resources.definitions import definition
from edged.admission.resources.kinds import POLICY_SERVER
from edged.admission.rules.manifest_checks import trial_name
from edged.cli.installation.install import InitOptions, Place, install
from edged.cli.installation.removal import Installed, UninstallOptions, uninstall
from edged.cli.installation.steps import Report
from edged.cli.installation.unit_file import marked
from edged.errors import ConfigError
from edged.kube import writes
from edged.kube.config import KubernetesConfig
from edged.kube.kubeconfig import open_client
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.sandbox.server import Sandbox
from tests.cli.installation.place import cluster, files_below, machine, place

HOOKS = "validatingwebhookconfigurations.admissionregistration.k8s.io"
NODE = configuration.Config().node.name


@pytest.fixture
def node(tmp_path: Path) -> Place:
    return place(tmp_path)


def in_cluster(node: Place, steps: Callable[[Sandbox], Awaitable[None]]) -> None:
    async def main() -> None:
        async with cluster(node) as server:
            await steps(server)

    trio.run(main)


async def init(node: Place, **options: Any) -> Report:
    report = Report()
    await install(InitOptions(**options), node, report)
    assert report.failed is None
    return report


async def remove(node: Place, **options: Any) -> Report:
    report = Report()
    await uninstall(UninstallOptions(**options), Installed(node.machine, node.layout, node.program.script), report)
    return report


def states(report: Report) -> dict[str, str]:
    return {line.what: line.state for line in report.done}


def everything(server: Sandbox) -> set[str]:
    """All objects, but for those that a cluster begins with."""
    storage = server.storage
    return {f"{bucket}/{obj['metadata']['name']}" for bucket in storage.buckets() for obj in storage.list(bucket)
            if bucket != "namespaces"}


def change(server: Sandbox, bucket: str, name: str, **fields: Any) -> None:
    namespace, _, own = name.rpartition("/")
    obj = server.storage.get(bucket, NamespacedName(namespace, own))
    assert obj is not None
    server.storage.update(bucket, {**obj, **fields})


def test_it_takes_back_everything_that_init_did(node: Place, tmp_path: Path) -> None:
    async def steps(server: Sandbox) -> None:
        before = {name for name in files_below(tmp_path) if name.startswith(("opt", "etc/rancher/"))}
        objects = everything(server)
        await init(node)
        report = await remove(node, purge=True)
        assert report.failed is None and not report.notes
        assert everything(server) == objects
        left = files_below(tmp_path)
        assert {name for name, (_, mode, _) in left.items() if mode & 0o100000} == {
            name for name in before if "." in name or name.endswith("bin/edged")
        }
        assert machine(node).calls[2:] == ["systemctl disable --now edged", "systemctl daemon-reload", "userdel edged"]
        assert states(await remove(node, purge=True)) == {}  # there is nothing left to do

    in_cluster(node, steps)


def test_webhooks_go_before_the_daemon_stops(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        order = [line.what for line in (await remove(node)).done]
        assert order[:3] == ["ValidatingWebhookConfiguration edged", "MutatingWebhookConfiguration edged",
                             "systemctl disable --now edged"]

    in_cluster(node, steps)


def test_configuration_and_state_are_kept_without_purge(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        report = await remove(node)
        layout = node.layout
        assert layout.config.is_file() and (layout.state / "tls").is_dir()
        assert not layout.kubeconfig.exists() and not layout.cache.exists() and not layout.unit.exists()
        assert not layout.link.is_symlink() and "user and group edged" not in states(report)
        assert str(layout.config) in report.notes[0] and "--purge" in report.notes[0]
        assert (await init(node)).next  # and the way back is init

    in_cluster(node, steps)


def test_a_dry_run_changes_nothing(node: Place, tmp_path: Path) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        before, version, calls = files_below(tmp_path), server.storage.version, list(machine(node).calls)
        dry = await remove(node, purge=True, dry_run=True)
        assert (files_below(tmp_path), server.storage.version, machine(node).calls) == (before, version, calls)
        assert {line.state for line in dry.done} == {"would delete", "would run"} and not dry.notes
        assert [line.what for line in (await remove(node, purge=True)).done] == [line.what for line in dry.done]

    in_cluster(node, steps)


@pytest.mark.parametrize("text", ["[admission\n", "", None])
def test_it_works_with_a_broken_configuration_and_without_one(node: Place, text: str | None) -> None:
    async def steps(server: Sandbox) -> None:
        objects = everything(server)
        await init(node)
        if text is None:
            node.layout.config.unlink()
        else:
            node.layout.config.write_text(text)
        report = await remove(node)
        assert report.failed is None and everything(server) == objects
        assert not node.layout.kubeconfig.exists() or text == ""  # an empty file is valid, and names no kubeconfig
        assert not node.layout.unit.exists()

    in_cluster(node, steps)


def test_while_the_api_server_is_away_the_daemon_stays(node: Place, tmp_path: Path) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)

    in_cluster(node, steps)

    async def alone() -> None:
        before = files_below(tmp_path)
        report = await remove(node)
        assert report.failed is not None and "does not answer" in report.failed.detail
        assert files_below(tmp_path) == before and "systemctl disable --now edged" not in machine(node).calls
        assert "--force" in report.notes[0]
        forced = await remove(node, force=True)
        assert forced.failed is not None and not node.layout.unit.exists()

    trio.run(alone)


def test_without_an_administrator_the_webhooks_are_emptied(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        objects = everything(server)
        await init(node)
        config = node.layout.config
        config.write_text(config.read_text().replace("[node]", '[node]\nname = "another"'))
        await remove(node)
        await init(node)
        node.layout.distributions[0].kubeconfig.unlink()
        change(server, HOOKS, "edged", webhooks=[{"name": "no-privileged.policy.edged.dev"}])
        report = await remove(node)
        hooks = server.storage.get(HOOKS, NamespacedName("", "edged"))
        assert hooks is not None and not hooks.get("webhooks")
        assert states(report)["systemctl disable --now edged"] == "done" and not node.layout.unit.exists()
        assert report.failed is not None and "--admin-kubeconfig" in report.failed.detail
        # What is left is found again by the kubeconfig, even if nothing else knows this node's name any more.
        assert states(report)[f"file {node.layout.kubeconfig}"] == "kept"
        node.layout.config.unlink()
        node.layout.distributions[0].kubeconfig.write_text(json.dumps(server.kubeconfig()))
        assert (await remove(node)).failed is None and everything(server) == objects
        assert not node.layout.kubeconfig.exists()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(node.layout.folder))
        patch.delenv("KUBECONFIG", raising=False)
        in_cluster(node, steps)


def test_what_belongs_to_other_nodes_stays(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        owner = {"annotations": {"edged.dev/owner": "edge-2/0123"}, "labels": {"app.kubernetes.io/managed-by": "edged"}}
        for bucket, name in ((HOOKS, "edged"), ("serviceaccounts", f"kube-system/edged-{NODE}")):
            namespace, _, own = name.rpartition("/")
            obj = server.storage.get(bucket, NamespacedName(namespace, own))
            assert obj is not None
            change(server, bucket, name, metadata={**obj["metadata"], **owner})
        report = await remove(node)
        assert states(report)["ValidatingWebhookConfiguration edged"] == "kept"
        assert f"serviceaccounts/edged-{NODE}" in everything(server) and report.failed is None

    in_cluster(node, steps)


def test_a_node_that_was_renamed_gives_back_what_it_had_under_the_old_name(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        objects = everything(server)
        await init(node)
        config = node.layout.config
        config.write_text(config.read_text().replace("[node]", '[node]\nname = "another"'))
        await remove(node)
        assert everything(server) == objects

    in_cluster(node, steps)


def test_a_machine_with_the_same_id_is_another_node(node: Place) -> None:
    """SD cards are copied with their /etc/machine-id."""

    async def steps(server: Sandbox) -> None:
        await init(node)
        objects = everything(server)
        node.layout.kubeconfig.unlink()
        node.layout.config.write_text(node.layout.config.read_text().replace("[node]", '[node]\nname = "another"'))
        report = await remove(node)
        assert everything(server) == objects
        assert states(report)["ValidatingWebhookConfiguration edged"] == "kept"

    in_cluster(node, steps)


def lease(holder: str, name: str = "edged-scheduler") -> dict[str, Any]:
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": holder},
            "metadata": {"name": name, "namespace": "kube-system", "uid": "u"}}


@pytest.mark.parametrize(("holder", "left"), [(f"{NODE}_1", False), ("", False), ("edge-2_1", True)])
def test_the_lease_of_this_node_is_given_back(node: Place, holder: str, left: bool) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node, only=["scheduler"])
        text = node.layout.config.read_text()
        node.layout.config.write_text(text.replace("[scheduler]", "[scheduler]\nleader_election = true"))
        server.storage.create("leases.coordination.k8s.io", lease(holder))
        report = await remove(node)
        assert ("leases.coordination.k8s.io/edged-scheduler" in everything(server)) is left
        assert states(report)["Lease kube-system/edged-scheduler"] == ("kept" if left else "deleted")

    in_cluster(node, steps)


CONTROLLERS = """
[[controller]]
name = "a"
module = "file:///a.wasm"
[[controller]]
name = "b"
module = "file:///b.wasm"
leader_election = "own"
"""


def test_the_leases_of_controllers_are_given_back(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node, only=["scheduler"])
        node.layout.config.write_text(node.layout.config.read_text() + CONTROLLERS)
        for name, holder in (("edged-controllers", f"{NODE}_1"), ("edged-controller-b", "edge-2_1")):
            server.storage.create("leases.coordination.k8s.io", lease(holder, name))
        done = states(await remove(node))
        assert done["Lease kube-system/edged-controllers"] == "deleted"
        assert done["Lease kube-system/edged-controller-b"] == "kept"

    in_cluster(node, steps)


def test_static_files_go_and_the_api_server_still_starts(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        config, static = node.layout.config, node.layout.static
        config.write_text(config.read_text().replace("[admission]", '[admission]\nregister = "static"'))
        await init(node)
        ours = {"metadata": {"annotations": {"edged.dev/owner": owner_identity(NODE)}}}
        (static / "validating/edged.json").write_text(json.dumps(ours))
        (static / "mutating/edged.json").write_text('{"metadata": {"annotations": {"edged.dev/owner": "edge-2/1"}}}')
        report = await remove(node)
        assert states(report)[f"file {static}/validating/edged.json"] == "deleted"
        assert states(report)[f"file {static}/mutating/edged.json"] == "kept"
        trial = f"ValidatingWebhookConfiguration {trial_name(NODE)}"
        assert states(report)[trial] == "deleted" and not any("trial" in name for name in everything(server))
        assert not (static / "webhook-kubeconfig.json").exists()
        # The API server's command line names this one: without it, it would not start.
        assert json.loads((static / "admission-configuration.json").read_bytes())["plugins"] == []

    in_cluster(node, steps)


def test_a_manifest_that_cannot_be_deleted_keeps_the_daemon(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        manifest = node.layout.static / "validating/edged.json"
        manifest.mkdir(parents=True)
        machine(node).calls.clear()
        report = await remove(node)
        assert states(report)[f"file {manifest}"] == "failed" and machine(node).calls == []
        assert node.layout.unit.exists() and "The daemon and everything that it needs stay" in report.notes[0]

    in_cluster(node, steps)


def test_the_api_servers_kubeconfig_stays_while_a_file_of_others_names_it(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        config, static = node.layout.config, node.layout.static
        config.write_text(config.read_text().replace("[admission]", '[admission]\nregister = "static"'))
        await init(node)
        path, kubeconfig = static / "admission-configuration.json", static / "webhook-kubeconfig.json"
        content = json.loads(path.read_bytes())
        path.write_text(json.dumps({**content, "plugins": [*content["plugins"], {"name": "PodSecurity"}]}))
        assert states(await remove(node))[f"file {kubeconfig}"] == "kept" and kubeconfig.exists()
        path.write_text(json.dumps({**content, "plugins": [{"name": "PodSecurity"}]}))
        assert states(await remove(node))[f"file {kubeconfig}"] == "deleted" and path.exists()

    in_cluster(node, steps)


@pytest.mark.parametrize("state", ["var/lib/data", "var/lib/data/state"])
def test_state_inside_the_cache_folder_stays_without_purge(node: Place, tmp_path: Path, state: str) -> None:
    layout = node.layout
    layout.folder.mkdir(parents=True)
    layout.config.write_text(f'[node]\nstate_dir = "{tmp_path}/{state}"\ncache_dir = "{tmp_path}/var/lib/data"\n'
                             f'[kubernetes]\nkubeconfig = "{layout.kubeconfig}"\n[admission]\n')

    async def steps(server: Sandbox) -> None:
        await init(node)
        assert (tmp_path / state / "tls/ca.key").is_file()
        assert states(await remove(node))[f"folder {tmp_path}/var/lib/data"] == "kept"
        assert (tmp_path / state / "tls/ca.key").is_file()
        await remove(node, purge=True)
        assert not (tmp_path / "var/lib/data").exists()

    in_cluster(node, steps)


@pytest.mark.parametrize("text", ["root:x:0:0:root:/root:/bin/bash\n", "version = 2\n"])
def test_purge_deletes_no_file_and_no_folder_that_a_mistyped_option_names(
    node: Place, tmp_path: Path, text: str
) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        mistyped = tmp_path / "srv/containerd.toml"
        mistyped.parent.mkdir()
        mistyped.write_text(text)
        assert states(await remove(node, purge=True, config=str(mistyped)))[f"file {mistyped}"] == "kept"
        assert mistyped.read_text() == text
        ours = tmp_path / "srv2/edged.toml"
        ours.parent.mkdir()
        ours.write_text('[node]\nname = "n"\n')
        assert states(await remove(node, purge=True, config=str(ours)))[f"file {ours}"] == "deleted"
        assert ours.parent.is_dir()

    in_cluster(node, steps)


@pytest.mark.parametrize("user", [{"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "COMMAND",
                                            "args": ["MADE"], "interactiveMode": "Never"}},
                                  {"tokenFile": "SECRET"}])
def test_root_starts_nothing_and_sends_nothing_that_the_daemons_kubeconfig_names(
    node: Place, tmp_path: Path, user: dict[str, Any]
) -> None:
    """The daemon's user can edit that file."""
    made, secret = tmp_path / "made", tmp_path / "shadow"
    secret.write_text("secret")

    async def steps(server: Sandbox) -> None:
        await init(node)
        node.layout.distributions[0].kubeconfig.unlink()
        content = json.loads(node.layout.kubeconfig.read_bytes())
        named = json.dumps(user).replace("COMMAND", shutil.which("touch") or "")
        named = named.replace("MADE", str(made)).replace("SECRET", str(secret))
        content["users"][0]["user"] = json.loads(named)
        node.layout.kubeconfig.write_text(json.dumps(content))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(tmp_path))
            patch.delenv("KUBECONFIG", raising=False)
            report = await remove(node)
        assert states(report)["webhook objects in the cluster"] == "failed"
        assert not made.exists()

    in_cluster(node, steps)


def test_what_somebody_edited_is_kept_and_named(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        for path in (node.layout.unit, node.layout.kubeconfig):
            path.write_bytes(path.read_bytes() + b"\n# mine")
        report = await remove(node, purge=True)
        found = states(report)
        assert found[f"file {node.layout.unit}"] == found[f"file {node.layout.kubeconfig}"] == "kept"
        assert found[f"folder {node.layout.folder}"] == "kept"
        assert states(await remove(node, purge=True, force=True))[f"file {node.layout.unit}"] == "deleted"

    in_cluster(node, steps)


def test_custom_resources_are_only_named(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        client = await open_client(KubernetesConfig(kubeconfig=str(node.layout.distributions[0].kubeconfig)))
        crds = GroupVersionResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        await writes.create(client, crds, definition(POLICY_SERVER))
        body = {"apiVersion": POLICY_SERVER.resource.api_version, "kind": "PolicyServer",
                "metadata": {"name": "default"}, "spec": {"image": "", "replicas": 1}}
        await writes.create(client, POLICY_SERVER.resource, body)
        await client.aclose()
        await init(node)
        report = await remove(node)
        assert "1 policyservers.policies.kubewarden.io" in report.notes[0]
        assert len(server.storage.list("policyservers.policies.kubewarden.io")) == 1

    in_cluster(node, steps)


def test_an_identity_that_was_made_by_hand_is_only_named(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        metadata = {"name": "edged", "namespace": "kube-system"}
        server.storage.create("serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        report = await remove(node, purge=True)
        assert "edged rbac render | kubectl delete -f -" in report.notes[0]
        assert "serviceaccounts/edged" in everything(server)

    in_cluster(node, steps)


def test_the_fabrics_helper_is_stopped_and_goes(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        unit = node.layout.fabric_unit
        unit.write_text(marked("[Service]\n"))
        report = await remove(node)
        assert "systemctl disable --now edged-fabric.service edged.service" in machine(node).calls
        assert states(report)[f"file {unit}"] == "deleted" and not unit.exists()

    in_cluster(node, steps)


def test_a_socket_unit_is_stopped_with_the_daemon(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        socket_unit = node.layout.units / "edged.socket"
        socket_unit.write_text("mine")
        await remove(node)
        assert "systemctl disable --now edged.socket edged.service" in machine(node).calls
        assert socket_unit.read_text() == "mine"

    in_cluster(node, steps)


def test_a_node_without_anything_of_edged(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        for dry_run in (True, False):
            report = await remove(node, purge=True, dry_run=dry_run)
            assert not report.done and report.notes == ["There is nothing to take back."]

    in_cluster(node, steps)


def test_what_is_kept_is_deleted_by_a_command_that_works_without_the_link(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        report = await remove(node)
        assert f"`{node.program.script} uninstall --purge`" in report.notes[-1]
        assert not node.layout.link.exists()

    in_cluster(node, steps)


def test_only_root(node: Place) -> None:
    machine(node).root_user = False

    async def refused() -> None:
        with pytest.raises(ConfigError, match="run it as root"):
            await remove(node)

    trio.run(refused)


def test_a_folder_and_a_user_that_were_there_before_stay(node: Place, tmp_path: Path) -> None:
    layout, before = node.layout, tmp_path / "mnt"
    before.mkdir()
    machine(node).users.add("edged")
    layout.folder.mkdir(parents=True)
    layout.config.write_text(f'[node]\nstate_dir = "{before}"\ncache_dir = "{tmp_path}/srv/cache"\n'
                             f'[kubernetes]\nkubeconfig = "{layout.kubeconfig}"\n[admission]\n')

    async def steps(server: Sandbox) -> None:
        await init(node)
        assert (before / "tls/ca.key").is_file() and (tmp_path / "srv/cache").is_dir()
        report = await remove(node, purge=True)
        assert report.failed is None
        found = states(report)
        assert found[f"folder {before}"] == "updated" and list(before.iterdir()) == []
        assert before.stat().st_mode & 0o777 == 0o755
        assert found[f"folder {tmp_path}/srv/cache"] == "deleted"  # init made it
        assert found["user and group edged"] == "kept" and "userdel edged" not in machine(node).calls

    in_cluster(node, steps)
