"""`edged init` on a node in a temporary folder, against the embedded API server."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from edged import config as configuration
from edged.admission.rules.manifest_checks import trial_name
from edged.cli.installation import identity
from edged.cli.installation.install import InitOptions, Place, install
from edged.cli.installation.lock import only_one
from edged.cli.installation.machine import Owner
from edged.cli.installation.plan import CertificatesStep
from edged.cli.installation.removal import Installed, UninstallOptions, uninstall
from edged.cli.installation.steps import Finding, Report
from edged.errors import ConfigError, EdgedError
from edged.kube import writes
from edged.kube.client import ApiClient, NoAnswer
from edged.kube.values.names import NamespacedName
from edged.sandbox.server import Sandbox
from tests.cli.installation.place import FakeMachine, cluster, files_below, machine, place, without_sample


@pytest.fixture
def node(tmp_path: Path) -> Place:
    return place(tmp_path)


def states(report: Report) -> dict[str, str]:
    return {line.what: line.state for line in report.done}


def in_cluster(node: Place, steps: Callable[[Sandbox], Any]) -> Any:
    """Runs an async function beside an API server."""

    async def main() -> Any:
        async with cluster(node) as server:
            return await steps(server)

    return trio.run(main)


async def init(node: Place, **options: Any) -> Report:
    report = Report()
    await install(InitOptions(**options), node, report)
    return report


def names(server: Sandbox, bucket: str) -> list[str]:
    """Without what every namespace has by itself."""
    found = [obj["metadata"]["name"] for obj in server.storage.list(bucket)]
    return [name for name in found if name != "default"]


def test_a_bare_node_gets_everything_that_the_daemon_needs(node: Place, tmp_path: Path) -> None:
    async def steps(server: Sandbox) -> None:
        report = await init(node)
        assert report.failed is None
        assert {state for state in states(report).values()} == {"created", "done"}
        assert report.next == ["systemctl enable --now edged", "edged status --check --wait 60"]
        assert machine(node).calls == ["useradd edged", "systemctl daemon-reload"]
        name = f"edged-{configuration.Config().node.name}"
        for bucket in ("serviceaccounts", "secrets", "clusterroles.rbac.authorization.k8s.io",
                       "clusterrolebindings.rbac.authorization.k8s.io", "roles.rbac.authorization.k8s.io"):
            assert names(server, bucket) == [name], bucket
        for kind in ("validating", "mutating"):
            assert names(server, f"{kind}webhookconfigurations.admissionregistration.k8s.io") == ["edged"]
        written = json.loads(node.layout.kubeconfig.read_bytes())
        assert written["users"] == [{"name": name, "user": {"token": "sandbox"}}]
        assert written["clusters"][0]["cluster"] == {"server": server.url}

    in_cluster(node, steps)
    layout = node.layout
    config = configuration.load(layout.config)
    assert config.admission is not None and config.scheduler is None
    (policy,) = config.admission.policy
    assert policy.module == f"file://{node.program.module}" and node.program.module.is_file()
    assert config.kubernetes.kubeconfig == str(layout.kubeconfig)
    assert layout.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert layout.config.stat().st_mode & 0o777 == 0o640
    assert layout.state.stat().st_mode & 0o777 == 0o700
    unit = layout.unit.read_text()
    assert f"ExecStart={node.program.script} run --config {layout.config}\n" in unit
    assert f"ReadWritePaths={layout.state} {layout.cache} {layout.socket.parent}" in unit
    assert layout.link.readlink() == node.program.script


def test_twice_changes_nothing(node: Place, tmp_path: Path) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        before, version, calls = files_below(tmp_path), server.storage.version, list(machine(node).calls)
        report = await init(node)
        assert report.failed is None
        assert set(states(report).values()) == {"unchanged", "kept"}
        assert states(report)[f"file {node.layout.config}"] == "kept"
        assert files_below(tmp_path) == before
        assert server.storage.version == version
        assert machine(node).calls == calls

    in_cluster(node, steps)


def test_a_dry_run_changes_nothing_and_names_the_same_steps(node: Place, tmp_path: Path) -> None:
    async def steps(server: Sandbox) -> None:
        before, version = files_below(tmp_path), server.storage.version
        dry = await init(node, dry_run=True)
        assert files_below(tmp_path) == before and server.storage.version == version and machine(node).calls == []
        real = await init(node)
        assert [line.what for line in dry.done] == [line.what for line in real.done]
        words = {"would create": "created", "would run": "done"}
        assert [words[line.state] for line in dry.done] == [line.state for line in real.done]

    in_cluster(node, steps)


def test_an_edit_of_the_configuration_is_brought_everywhere(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        config = node.layout.config
        text = config.read_text().replace("[admission]", '[admission]\nregister = "static"\naudit_interval_s = 0')
        config.write_text(text + '\n[scheduler]\nnames = ["edged"]\nleader_election = true\n')
        before = states(await init(node, dry_run=True))
        done = states(await init(node))
        name = identity.name_of(configuration.Config().node.name)
        assert before[f"ClusterRole {name}"] == "would update" and done[f"ClusterRole {name}"] == "updated"
        assert done[f"Role kube-system/{name}"] == "created"  # the scheduler's Lease
        assert done[f"Role default/{name}"] == "deleted"  # of dynamic registration
        trial = trial_name(configuration.Config().node.name)
        assert done[f"ValidatingWebhookConfiguration {trial}"] == "created"
        assert done[f"MutatingWebhookConfiguration {trial}"] == "created"
        assert done[f"file {node.layout.unit}"] == "updated"
        assert done["systemctl daemon-reload"] == "done"
        assert f"{node.layout.socket.parent} {node.layout.static}" in node.layout.unit.read_text()
        assert (node.layout.static / "admission-configuration.json").is_file()
        assert config.read_text().startswith(text)
        assert set(states(await init(node)).values()) == {"unchanged", "kept"}

    in_cluster(node, steps)


CONTROLLER = """
[[controller]]
name = "agent"
module = "file:///usr/lib/edged/modules/agent.wasm"
extensions = ["netfabric"]
"""


def test_the_fabrics_helper_is_there_while_a_controller_is_granted_it(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        config, unit = node.layout.config, node.layout.fabric_unit
        assert not unit.exists()
        before = config.read_text()
        config.write_text(before + CONTROLLER)
        report = await init(node)
        assert states(report)[f"file {unit}"] == "created" and states(report)["systemctl daemon-reload"] == "done"
        assert "systemctl enable --now edged-fabric" in report.next
        assert f"ExecStart={node.program.script} fabric --config {config}\n" in unit.read_text()
        assert states(await init(node))[f"file {unit}"] == "unchanged"
        config.write_text(before + CONTROLLER + '[fabric]\nbackend = "memory"\n')
        report = await init(node)
        assert states(report)[f"file {unit}"] == "deleted" and not unit.exists()
        assert "systemctl enable --now edged-fabric" not in report.next

    in_cluster(node, steps)


def test_a_scheduler_only(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        report = await init(node, only=["scheduler"])
        assert report.failed is None
        assert names(server, "validatingwebhookconfigurations.admissionregistration.k8s.io") == []
        config = configuration.load(node.layout.config)
        assert config.admission is None and config.scheduler is not None
        kept = await init(node, only=["admission"])
        assert "has no [admission] table" in kept.notes[0]

    in_cluster(node, steps)


def test_files_of_others_are_kept_and_named_unless_forced(node: Place) -> None:
    layout = node.layout
    for path in (layout.unit, layout.kubeconfig):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")

    async def steps(server: Sandbox) -> None:
        report = await init(node)
        for path in (layout.unit, layout.kubeconfig):
            (line,) = [line for line in report.done if line.what == f"file {path}"]
            assert line.state == "kept" and "--force" in line.detail
            assert path.read_text() == "mine"
        forced = states(await init(node, force=True))
        assert forced[f"file {layout.unit}"] == forced[f"file {layout.kubeconfig}"] == "updated"
        assert layout.config.read_text().startswith("# Written by `edged init`")
        layout.unit.write_text(layout.unit.read_text() + "# an edit\n")
        assert states(await init(node))[f"file {layout.unit}"] == "kept"

    in_cluster(node, steps)


def test_after_a_new_name_the_identity_of_the_old_one_goes(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node, only=["scheduler"])
        config = node.layout.config
        config.write_text(config.read_text().replace("[node]", '[node]\nname = "another"'))
        report = await init(node)
        assert names(server, "serviceaccounts") == names(server, "secrets") == ["edged-another"]
        assert report.failed is None and identity.node_of(node.layout.kubeconfig.read_bytes()) == "another"
        assert set(states(await init(node)).values()) == {"unchanged", "kept"}

    in_cluster(node, steps)


def test_a_configuration_that_the_daemon_cannot_read_gets_another_mode(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        config, text = node.layout.config, node.layout.config.read_bytes()
        config.chmod(0o000)
        line = next(line for line in (await init(node)).done if line.what == f"file {config}")
        assert line.state == "updated" and "may not read" in line.detail
        assert config.stat().st_mode & 0o777 == 0o640 and config.read_bytes() == text

    in_cluster(node, steps)


def test_an_own_configuration_is_never_overwritten(node: Place, tmp_path: Path) -> None:
    layout = node.layout
    layout.folder.mkdir(parents=True)
    layout.config.write_text(f'[node]\nname = "n"\nstate_dir = "{tmp_path}/mine"\n')

    async def steps(server: Sandbox) -> None:
        with pytest.raises(ConfigError, match="names no kubeconfig"):
            await init(node, force=True)
        text = layout.config.read_text() + f'[kubernetes]\nkubeconfig = "{tmp_path}/kc"\n'
        layout.config.write_text(text)
        report = await init(node, force=True)
        assert layout.config.read_text() == text
        assert (tmp_path / "mine").is_dir() and (tmp_path / "kc").is_file() and not layout.state.exists()
        assert names(server, "serviceaccounts") == ["edged-n"]
        assert report.failed is None

    in_cluster(node, steps)


def test_force_writes_over_no_kubeconfig_of_an_administrator(node: Place, tmp_path: Path) -> None:
    layout, mine = node.layout, tmp_path / "root/admin.conf"
    layout.folder.mkdir(parents=True)
    mine.parent.mkdir()

    async def steps(server: Sandbox) -> None:
        mine.write_bytes(layout.distributions[0].kubeconfig.read_bytes())
        (tmp_path / "link").symlink_to(mine)
        for path in (layout.distributions[0].kubeconfig, tmp_path / "link", mine):
            layout.config.write_text(f'[kubernetes]\nkubeconfig = "{path}"\n')
            before = files_below(tmp_path)
            with pytest.raises(ConfigError, match=f'names an administrator.*write kubeconfig = "{layout.kubeconfig}"'):
                await init(node, force=True, admin_kubeconfig=str(mine))
            assert files_below(tmp_path) == before
        assert (await init(node)).failed is None  # without --force, it is kept
        assert b"edged-" not in mine.read_bytes()

    in_cluster(node, steps)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be misled by links of the daemon's user")
def test_certificates_are_made_with_the_rights_of_the_daemons_user(node: Place, tmp_path: Path) -> None:
    daemon = Owner(61234, 61234)

    class WithUser(FakeMachine):
        def user(self, name: str) -> Owner | None:
            return daemon

    config = configuration.parse(f'[node]\nstate_dir = "{tmp_path}/state"\n[admission]\n')
    assert config.admission is not None
    for path in (tmp_path, *tmp_path.parents):
        if path.is_relative_to(tempfile.gettempdir()) and path != Path(tempfile.gettempdir()):
            path.chmod(0o755)
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    for path in (state, elsewhere):
        path.mkdir(mode=0o755)
    os.chown(state, daemon.uid, daemon.gid)
    step = CertificatesStep(WithUser(tmp_path), config, config.admission)
    (state / "tls").symlink_to(elsewhere)
    with pytest.raises(ConfigError, match=r"not permitted|denied"):
        trio.run(step.apply, Finding("create"))
    assert not any(elsewhere.iterdir()) and os.geteuid() == 0
    (state / "tls").unlink()
    trio.run(step.apply, Finding("create"))
    assert {path.stat().st_uid for path in (state / "tls").iterdir()} == {daemon.uid}


def test_ports_that_others_listen_at_are_left_to_them(node: Place) -> None:
    machine(node).taken = {8443, 8080, 8081}

    async def steps(server: Sandbox) -> None:
        facts = dict((await init(node)).facts)
        assert facts["listener"] == "127.0.0.1:8444: port 8443 is taken"
        config = configuration.load(node.layout.config)
        assert config.admission is not None and config.admission.dialled == "https://127.0.0.1:8444"
        assert config.observability.listen == "127.0.0.1:8082"
        node.layout.config.unlink()
        machine(node).taken = set(range(8443, 9000))
        with pytest.raises(ConfigError, match=r"no port from 8443 to 8492 is free on 127\.0\.0\.1"):
            await init(node)

    in_cluster(node, steps)


def test_a_module_that_would_not_stay_is_copied(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        checkout = without_sample(node)
        await init(checkout)
        copied = checkout.layout.modules / checkout.program.module.name
        assert copied.read_bytes() == checkout.program.module.read_bytes()
        config = configuration.load(checkout.layout.config)
        assert config.admission is not None and config.admission.policy[0].module == f"file://{copied}"

    in_cluster(node, steps)


def test_before_systemd_253_there_is_a_drop_in(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        machine(node).version = 252
        await init(node)
        assert "Type=notify\n" in node.layout.drop_in.read_text()
        machine(node).version = 257  # the system was upgraded
        assert states(await init(node))[f"file {node.layout.drop_in}"] == "deleted"
        assert not node.layout.drop_in.parent.exists()

    in_cluster(node, steps)


@pytest.mark.parametrize("broken", ["useradd", "daemon-reload"])
def test_a_failure_halfway_names_the_step_and_goes_on_when_repeated(node: Place, broken: str) -> None:
    async def steps(server: Sandbox) -> None:
        machine(node).broken = broken
        report = await init(node)
        failed = report.failed
        assert failed is not None and failed == report.done[-1] and broken in failed.detail and not report.next
        machine(node).broken = ""
        report = await init(node)
        assert report.failed is None and report.next
        assert set(states(await init(node)).values()) == {"unchanged", "kept"}

    in_cluster(node, steps)


def test_an_api_server_that_goes_away_halfway(node: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = ApiClient.fetch

    async def away(client: ApiClient, method: str, path: str, **options: Any) -> bytes:
        if method == "PATCH" and "/clusterroles/" in path:
            raise NoAnswer(f"API server {client.server}: connection refused")
        return await fetch(client, method, path, **options)

    async def steps(server: Sandbox) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(ApiClient, "fetch", away)
            report = await init(node)
        failed = report.failed
        assert failed is not None and failed.what.startswith("ClusterRole ") and server.url in failed.detail
        assert names(server, "secrets") and not node.layout.kubeconfig.exists()
        assert (await init(node)).failed is None and node.layout.kubeconfig.exists()

    in_cluster(node, steps)


def test_a_full_disk_is_told_with_the_file(node: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def steps(server: Sandbox) -> None:
        monkeypatch.setattr("edged.cli.installation.local_steps.write_atomically", full)
        failed = (await init(node)).failed
        assert failed is not None and "No space left" in failed.detail and str(node.layout.config) in failed.what

    in_cluster(node, steps)


def test_what_is_refused_before_anything_is_changed(node: Place, tmp_path: Path) -> None:
    async def refused(why: str, where: Place = node, **options: Any) -> None:
        before = files_below(tmp_path)
        with pytest.raises(EdgedError) as caught:
            await init(where, **options)
        for word in why.split("|"):
            assert word in str(caught.value)
        assert files_below(tmp_path) == before and machine(node).calls == []

    async def alone() -> None:
        nothing = replace(node.layout.distributions[0], kubeconfig=tmp_path / "nothing")
        bare = replace(node, layout=replace(node.layout, distributions=(nothing,)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(tmp_path / "a"))
            patch.setenv("HOME", str(tmp_path))
            places = f"{tmp_path}/nothing (k3s)|{tmp_path}/a ($KUBECONFIG)|{tmp_path}/.kube/config"
            await refused(f"{places}|--admin-kubeconfig", bare)
        await refused("there is no such file", admin_kubeconfig=str(tmp_path / "gone"))
        machine(node).root_user = False
        await refused("run it as root")
        machine(node).root_user, machine(node).linux = True, False
        await refused("Linux")
        machine(node).linux = True

    trio.run(alone)

    async def steps(server: Sandbox) -> None:
        hidden = tmp_path / "root/edged"
        await refused("hides from the daemon", replace(node, program=replace(node.program, needs=(hidden,))))
        away = tmp_path / "away"
        away.write_text(node.layout.distributions[0].kubeconfig.read_text().replace(server.url, "http://127.0.0.1:9"))
        await refused("does not answer|away", admin_kubeconfig=str(away))

    in_cluster(node, steps)


def test_objects_of_another_machine_are_not_touched(node: Place) -> None:
    async def steps(server: Sandbox) -> None:
        await init(node)
        bucket = "validatingwebhookconfigurations.admissionregistration.k8s.io"
        obj = server.storage.get(bucket, NamespacedName("", "edged"))
        assert obj is not None
        metadata = {**obj["metadata"], "annotations": {"edged.dev/owner": "edge-2/0123"}}
        server.storage.update(bucket, {**obj, "metadata": metadata})
        with pytest.raises(EdgedError, match=r"edge-2/0123.*--only scheduler"):
            await init(node)

    in_cluster(node, steps)


def test_a_webhook_object_that_is_made_in_the_same_moment(node: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody makes it between the look and the create. If it is this node's, all is well; otherwise it is refused."""
    bucket = "validatingwebhookconfigurations.admissionregistration.k8s.io"
    create = writes.create

    async def steps(server: Sandbox) -> None:
        whose = ""

        async def after_another(client: ApiClient, resource: Any, obj: dict[str, Any]) -> Any:
            await create(client, resource, webhooks_of(obj, whose))
            return await create(client, resource, obj)

        monkeypatch.setattr(writes, "create", after_another)
        report = await init(node)
        assert report.failed is None and names(server, bucket) == ["edged"]
        for each in ("validating", "mutating"):
            server.storage.delete(bucket.replace("validating", each), NamespacedName("", "edged"))
        whose = "edge-2/0123"
        failed = (await init(node)).failed
        assert failed is not None and "belongs to edge-2/0123" in failed.detail

    in_cluster(node, steps)


def webhooks_of(obj: dict[str, Any], owner: str) -> dict[str, Any]:
    """The same object of that owner; "": of the same."""
    if not owner:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "annotations": {"edged.dev/owner": owner}}}


def test_only_one_at_a_time(node: Place, tmp_path: Path) -> None:
    async def steps(server: Sandbox) -> None:
        before = files_below(tmp_path)
        with only_one(node.layout.lock):
            with pytest.raises(EdgedError, match="another `edged init` or `edged uninstall` runs"):
                await init(node)
            with pytest.raises(EdgedError, match="another `edged init` or `edged uninstall` runs"):
                await uninstall(UninstallOptions(), Installed(node.machine, node.layout, None), Report())
            assert (await init(node, dry_run=True)).failed is None
        assert files_below(tmp_path) == before and machine(node).calls == []
        await init(node)
        assert not node.layout.lock.exists()

    in_cluster(node, steps)


@pytest.mark.parametrize("key", ["state_dir", "cache_dir"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_place_that_the_unit_hides_is_refused(node: Place, tmp_path: Path, key: str, linked: bool) -> None:
    layout, hidden = node.layout, tmp_path / "root/edged"
    if linked:
        hidden.mkdir(parents=True)
        (tmp_path / "link").symlink_to(hidden)
        hidden = tmp_path / "link"
    places = {"state_dir": layout.state, "cache_dir": layout.cache, key: hidden}
    layout.folder.mkdir(parents=True)
    layout.config.write_text(f'[node]\nstate_dir = "{places["state_dir"]}"\ncache_dir = "{places["cache_dir"]}"\n'
                             f'[kubernetes]\nkubeconfig = "{layout.kubeconfig}"\n[admission]\n')

    async def steps(server: Sandbox) -> None:
        before = files_below(tmp_path)
        with pytest.raises(ConfigError, match=rf"{key}: {hidden} is below {tmp_path}/root, which the unit hides"):
            await init(node)
        assert files_below(tmp_path) == before and machine(node).calls == []
        machine(node).systemd = False  # no unit hides anything
        assert (await init(node)).failed is None

    in_cluster(node, steps)


def test_a_configuration_that_the_unit_hides_is_refused(node: Place, tmp_path: Path) -> None:
    async def steps(server: Sandbox) -> None:
        with pytest.raises(ConfigError, match=rf"--config: {tmp_path}/root/edged.toml is below"):
            await init(node, config=str(tmp_path / "root/edged.toml"))

    in_cluster(node, steps)
