"""A whole daemon and what it says of its health: to systemd, to probes, over the status socket. The API server, edged's
own, comes and goes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from edged import config as configuration
from edged.abi.metadata import Metadata
from edged.admission.config import GroupConfig, PolicyConfig
from edged.admission.endpoint import registration as registration_file
from edged.admission.host.policy import Group, Policy
from edged.admission.resources import resource_objects
from edged.admission.rules.capabilities import Grants
from edged.admission.rules.review import parse_review
from edged.cli.demo.stage import free_port
from edged.cli.status_client import ask
from edged.daemon import daemon as daemon_file
from edged.daemon.admission_facts import rules_of
from edged.daemon.daemon import Daemon
from edged.process import room
from edged.sandbox.server import serve
from edged.telemetry.logs import Logger, LogStyle
from edged.wasm.account import Budget
from edged.wasm.compile import CompileLimits, Compiler
from tests.cluster.edged import PROGRAM, pod, review_of
from tests.packaging.test_alerts import metrics_of, rules

ROOT = Path(__file__).parents[2]
PRIVILEGED = ROOT / "modules/admission/pod-privileged/pod-privileged.wasm"
PATIENCE_S = 60.0
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
NO_PRIVILEGED = f'[[admission.policy]]\nname = "no-privileged"\nmodule = "file://{PRIVILEGED}"\n'
LABELS = f"""[[admission.policy]]
name = "labels"
module = "file://{ROOT}/modules/admission/required-labels/required-labels.wasm"
settings = {{ labels = [{{ key = "team" }}] }}
"""
GONE = '[[admission.policy]]\nname = "gone"\nmodule = "file:///srv/gone.wasm"\n'
SCHEDULER = f'''[scheduler]
names = ["edged"]
[[scheduler.plugin]]
name = "device-fit"
module = "file://{ROOT}/modules/scheduling/device-fit/device-fit.wasm"
'''
FAR = '[[admission.policy]]\nname = "far"\nmodule = "https://127.0.0.1:PORT/far.wasm"\n'
ENDLESS = f'''[[admission.policy]]
name = "endless"
module = "file://{ROOT}/modules/admission/endless/endless.wasm"
timeout_s = 0.1
'''


class World:
    """A configuration file, a port for the API server, and what the daemon wrote to its log and to systemd."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.server_port, self.health, self.listen = free_port(), free_port(), free_port()
        self.lines: list[dict[str, Any]] = []
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(folder / "notify"))
        self.systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        monkeypatch.setattr(daemon_file, "settle_memory", lambda: None)  # a frozen heap would outlive this test
        monkeypatch.setattr(daemon_file, "SHOW_S", 0.1)
        monkeypatch.setattr(registration_file, "POLL_S", 0.2)
        monkeypatch.setattr(registration_file, "RETRY_MAX_S", 0.2)
        user = {"clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
                "users": [{"name": "u", "user": {}}], "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}  # fmt: skip
        (folder / "kubeconfig").write_text(json.dumps(user))

    def configure(self, policies: str, register: str = "dynamic", policy_server: str = "") -> None:
        (self.folder / "edged.toml").write_text(f"""
[node]
name = "n"
state_dir = "{self.folder}/state"
cache_dir = "{self.folder}/cache"
socket = "{self.folder}/s"
drain_s = 1
[kubernetes]
kubeconfig = "{self.folder}/kubeconfig"
[observability]
listen = "127.0.0.1:{self.health}"
[admission]
listen = "127.0.0.1:{self.listen}"
register = "{register}"
static_dir = "{self.folder}/static"
policy_server = "{policy_server}"
{policies}""")

    def take(self, said: bytes) -> None:
        """One line of the log, or several in one write."""
        self.lines.extend(map(json.loads, said.splitlines()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = trio.Event()
        log = Logger(LogStyle("json", journal=False), write=self.take)
        path = str(self.folder / "edged.toml")
        self.daemon = Daemon(configuration.load(path), path, log)
        async with trio.open_nursery() as nursery:
            await nursery.start(self.daemon.run, lambda: nullcontext(stop.wait))
            yield
            stop.set()

    @asynccontextmanager
    async def api_server(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(PATIENCE_S):
                while True:
                    try:
                        await nursery.start(lambda task_status: serve(port=self.server_port, task_status=task_status))
                        break
                    except OSError:  # connections of the last one are still open
                        await trio.sleep(0.05)
            yield
            nursery.cancel_scope.cancel()

    def told_systemd(self) -> str:
        said = []
        while True:
            try:
                said.append(self.systemd.recv(4096).decode())
            except BlockingIOError:
                return "\n".join(said)

    async def probe(self, path: str = "/readyz") -> tuple[int, str]:
        stream = await trio.open_tcp_stream("127.0.0.1", self.health)
        async with stream:
            await stream.send_all(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
            head, _, body = b"".join([part async for part in stream]).partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    async def status(self) -> dict[str, Any]:
        return await trio.to_thread.run_sync(ask, str(self.folder / "s"), "status")

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`edged status ARGUMENTS`, in a narrow terminal."""
        line = [str(PROGRAM), "status", "--config", str(self.folder / "edged.toml"), *arguments]
        environment = dict(os.environ) | {"COLUMNS": "60"}
        return await trio.to_thread.run_sync(
            lambda: subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
        )

    async def sentence(self) -> str:
        return str((await self.status())["protection"]["sentence"])


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    with trio.fail_after(PATIENCE_S):
        while not await done():
            await trio.sleep(0.02)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path, monkeypatch)
    yield world
    world.systemd.close()


def test_an_api_server_that_is_away_delays_readyz_and_not_systemd(world: World) -> None:
    world.configure(NO_PRIVILEGED)

    async def main() -> None:
        async with world.running():
            told = world.told_systemd()
            assert "READY=1" in told, "a restart would bring no API server"
            assert told.index("EXTEND_TIMEOUT_USEC=") < told.index("READY=1"), "the module was compiled first"
            extended_us = int(told.partition("EXTEND_TIMEOUT_USEC=")[2].split()[0])
            assert extended_us > CompileLimits().wall_s * 1e6, "systemd waits for as long as a module may take"
            status, body = await world.probe()
            assert status == 503 and "[-]registration failed: the API server has not been told" in body
            assert "[+]policies ok" in body
            report = await world.status()
            assert (report["serving"], report["ready"]) == (True, False)
            async with world.api_server():
                await until(lambda: ready(world))
                await until(lambda: says(world, "1 of 1 policy in force."))
                assert (await world.status())["ready"] and "[!]" not in (await world.probe("/readyz?verbose"))[1]
                world.daemon._probes.ready["admission-tls"] = lambda: "no TLS handshake with it"
                denied = "0 of 1 policy in force; the admission listener does not answer: no TLS handshake with it."
                assert await world.sentence() == denied
                assert (await world.status())["policies"]["no-privileged"]["enforcement"] == "refusing"
                assert (await world.probe())[0] == 503 and not (await world.status())["ready"]
                assert "\nedged_ready 0\n" in (await world.probe("/metrics"))[1]
                world.daemon._probes.ready["admission-tls"] = lambda: ""
                assert "\nedged_ready 1\n" in (await world.probe("/metrics"))[1]
            await until(lambda: says(world, "1 of 1 policy in force; the API server does not answer: "))
            shown: list[str] = []
            await until(lambda: is_shown(world, shown, "STATUS=1 of 1 policy in force; the API server does not answer"))
            status, body = await world.probe("/readyz?verbose")
            assert status == 200 and "[!]api-server warning: the API server does not answer" in body
            assert "[!]registration warning: what is registered cannot be verified" in body

    trio.run(main)


def test_the_policies_of_the_file_do_not_wait_for_custom_resources(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an API server that has no such kinds that is known only after it was asked a few times."""
    monkeypatch.setattr(resource_objects, "GONE_AFTER", 10**9)
    world.configure(NO_PRIVILEGED, policy_server="default")

    async def main() -> None:
        async with world.api_server(), world.running():
            await until(lambda: ready(world))
            await until(lambda: says(world, "1 of 1 policy in force."))
            resources = world.daemon._admission.policies.resources
            assert resources is not None and not resources.is_settled

    trio.run(main)


def test_manifests_that_cannot_be_written_delay_readyz(world: World) -> None:
    """Until they are there, an API server that starts now asks nobody."""
    world.configure(NO_PRIVILEGED, register="static")
    manifest = world.folder / "static/validating/edged.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")

    async def main() -> None:
        async with world.running():
            assert "READY=1" in world.told_systemd()
            await until(lambda: is_refused(world))
            manifest.unlink()
            await until(lambda: ready(world))
            assert ".webhooks.edged.dev" in manifest.read_text()

    trio.run(main)


async def is_refused(world: World) -> bool:
    status, body = await world.probe()
    return status == 503 and "[-]registration failed: " in body and "belongs to somebody else" in body


def test_an_api_server_that_says_nothing_delays_no_start(world: World) -> None:
    world.configure(NO_PRIVILEGED + SCHEDULER)
    with socket.create_server(("127.0.0.1", world.server_port)):

        async def main() -> None:
            async with world.running():
                assert "READY=1" in world.told_systemd()
                assert "[-]registration failed: the API server has not been told" in (await world.probe())[1]

        trio.run(main)


def loaded(error: str = "", metadata: Metadata | None = None, **config: Any) -> Policy:
    made = Policy(PolicyConfig(name="p", module="file:///m.wasm", **config), b"{}", Grants(), 1.0, Budget())
    made.error, made.metadata = error or None, metadata or Metadata()
    return made


def group(**config: Any) -> Group:
    return Group(GroupConfig(name="g", expression="a()", message="m", members={}, **config), {})


@pytest.mark.parametrize(
    ("policy", "rules"),
    [
        (loaded(rules=(RULE,)), "some"),
        (loaded(rules=()), "none"),
        (loaded(), "missing"),
        (loaded("gone"), "unknown"),
        (loaded("gone", rules=(RULE,)), "some"),
        (loaded(metadata=Metadata(rules=(RULE,))), "some"),
        (loaded(metadata=Metadata(policy_type="raw")), "none"),
        (group(rules=(RULE,)), "some"),
        (group(), "none"),
    ],
)
def test_what_a_policy_is_registered_for(policy: Policy | Group, rules: str) -> None:
    assert rules_of(policy) == rules


async def is_shown(world: World, shown: list[str], words: str) -> bool:
    """Whether systemd was told these words."""
    shown.append(world.told_systemd())
    return words in "\n".join(shown)


async def ready(world: World) -> bool:
    return (await world.probe())[0] == 200


async def says(world: World, words: str) -> bool:
    return (await world.sentence()).startswith(words)


def test_a_policy_that_cannot_load_and_a_reload_that_is_refused_are_warnings(world: World) -> None:
    world.configure(NO_PRIVILEGED + GONE + SCHEDULER)

    async def main() -> None:
        async with world.api_server(), world.running():
            await until(lambda: ready(world))
            sentence = "1 of 2 policies in force; scheduling Pods of edged; `gone`: not enforced, the module file is"
            await until(lambda: says(world, sentence))
            report = await world.status()
            assert report["policies"]["gone"]["enforcement"] == "not_enforced"
            assert report["policies"]["no-privileged"]["enforcement"] == "in_force"
            (plugin,) = report["scheduler"]["plugins"]
            assert (plugin["plugin"], plugin["profiles"]) == ("device-fit", ["edged"]) and "filter" in plugin["points"]
            (line,) = [line for line in world.lines if line["msg"] == "plugin loaded"]
            assert (line["plugin"], line["profiles"]) == ("device-fit", "edged")
            for output in ("table", "wide", "json"):
                done = await world.command("-o", output)
                assert "device-fit" in done.stdout
                assert done.returncode == 0 and "1 of 2 policies in force; scheduling Pods of edged;" in done.stdout
                assert output != "table" or max(map(len, done.stdout.splitlines())) <= 60
            done = await world.command("--check")
            assert done.returncode == 1 and "policies: gone: not enforced: the module file is missing" in done.stdout
            (world.folder / "edged.toml").write_text(f'[node]\nsocket = "{world.folder}/s"\n[admission')
            done = await world.command("--check")
            assert done.returncode == 1 and "configuration: the configuration file is not valid" in done.stdout
            assert not await world.daemon._reload.reload()
            metrics = (await world.probe("/metrics"))[1]
            for line in (
                'edged_registered{mode="dynamic"} 1', 'edged_policies{state="in_force"} 1', "edged_ready 1",
                'edged_policies{state="not_enforced"} 1', 'edged_config_reloads_total{result="refused"} 1',
                'edged_problems{subject="policies"} 1', 'edged_problems{subject="reload"} 1',
                "edged_config_last_reload_successful 0", "edged_api_server_reachable 1", "edged_scheduler_active 1",
            ):  # fmt: skip
                assert f"{line}\n" in metrics, line
            there = set(re.findall(r"^# TYPE (\S+)", metrics, re.MULTILINE))
            assert {name for rule in rules() for name in metrics_of(rule["expr"])} <= there, "of config/alerts.yaml"
            assert re.search(r'^edged_certificate_expiration_timestamp_seconds.certificate="serving". 1', metrics, re.M)
            status, body = await world.probe("/readyz?verbose")
            assert status == 200 and "[!]reload warning: the last reload was refused, the configuration of 2" in body
            assert "[!]policies warning: gone: not enforced: " in body
            world.configure(NO_PRIVILEGED + SCHEDULER)
            assert await world.daemon._reload.reload()
            await until(lambda: says(world, "1 of 1 policy in force; scheduling Pods of edged."))

    trio.run(main)


def test_a_module_on_its_way_delays_readyz_until_it_was_tried(world: World) -> None:
    """Whoever hands it out takes the connection and says nothing, then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as registry:
        world.configure(FAR.replace("PORT", str(registry.getsockname()[1])), register="none")

        async def main() -> None:
            async with world.running():
                status, body = await world.probe()
                assert status == 503 and "[-]policies failed: modules are being fetched: far" in body
                registry.close()
                await until(lambda: ready(world))
                assert "`far`: denies every request that it is asked about" in await world.sentence()

        trio.run(main)


def test_a_guest_that_fails_every_time_is_said(world: World) -> None:
    world.configure(ENDLESS, register="none")
    review = parse_review(review_of(pod("x")))

    async def main() -> None:
        async with world.running():
            admission = world.daemon._admission.admission
            for turn in range(3):
                assert (await world.sentence()).startswith("1 of 1 policy answer"), turn
                assert not (await admission.review("endless", review)).allowed
            assert "`endless`: denies requests because it fails, the last 3 reviews failed: " in await world.sentence()
            assert (await world.status())["policies"]["endless"]["enforcement"] == "failing"

    trio.run(main)


def test_policies_answer_and_are_registered_while_others_are_compiled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for one that is compiled waits, and hears why when its patience ends; then it answers."""
    go_on = trio.Event()
    run_child = Compiler._run_child

    async def slow(self: Compiler, path: Path, module: Any, output: Any) -> None:
        if path.name == "required-labels.wasm":
            await go_on.wait()
        await run_child(self, path, module, output)

    monkeypatch.setattr(Compiler, "_run_child", slow)
    monkeypatch.setattr(room, "may_start", lambda room, running_mib, mib: True)
    world.configure(f"{NO_PRIVILEGED}{LABELS}")

    async def main() -> None:
        async with world.api_server(), trio.open_nursery() as nursery:
            stop = trio.Event()
            log = Logger(LogStyle("json", journal=False), write=world.take)
            daemon = Daemon(configuration.load(str(world.folder / "edged.toml")), None, log)
            nursery.start_soon(daemon.run, lambda: nullcontext(stop.wait))
            policies, admission = daemon._admission.policies, daemon._admission.admission
            await until(lambda: registered(daemon, ("no-privileged",)))
            early = parse_review(review_of(pod("x", privileged=True)))
            assert not (await admission.review("no-privileged", early)).allowed
            early.answer_by = trio.current_time() + 0.05
            answer = await admission.review("labels", early)
            assert not answer.allowed and answer.status is not None and answer.status["code"] == 500
            assert "still being fetched or compiled" in answer.status["message"]
            sentence = (await world.status())["protection"]["sentence"]
            said = "dged is starting: 1 of 2 policies are loaded; compiling required-labels.wasm"
            assert sentence == f"E{said}."
            status, body = await world.probe()
            assert status == 503 and f"[-]policies failed: e{said}\n" in body
            told = world.told_systemd()
            assert "STATUS=edged is starting: " in told and "READY" not in told
            waiting: list[bool] = []

            async def ask() -> None:
                patient = parse_review(review_of(pod("x")))
                waiting.append((await admission.review("labels", patient)).allowed)

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert waiting == []
            go_on.set()
            await until(lambda: registered(daemon, ("labels", "no-privileged")))
            await until(lambda: ready(world))
            assert waiting == [False] and policies.progress == "", "it lacks the label"
            stop.set()

    trio.run(main)


def test_a_start_that_is_stopped_answers_who_waits_and_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies answer while others are compiled, so there is something to drain."""
    compiling: list[Path] = []

    async def endless(self: Compiler, path: Path, module: Any, output: Any) -> None:
        compiling.append(path)
        await trio.sleep_forever()

    monkeypatch.setattr(Compiler, "_run_child", endless)
    world.configure(NO_PRIVILEGED)

    async def main() -> None:
        answers = []
        async with world.api_server(), trio.open_nursery() as nursery:
            stop = trio.Event()
            log = Logger(LogStyle("json", journal=False), write=world.take)
            daemon = Daemon(configuration.load(str(world.folder / "edged.toml")), None, log)
            nursery.start_soon(daemon.run, lambda: nullcontext(stop.wait))
            while not compiling:
                await trio.sleep(0.01)

            async def ask() -> None:
                request = parse_review(review_of(pod("x")))
                answers.append(await daemon._admission.admission.review("no-privileged", request))

            nursery.start_soon(ask)
            await trio.sleep(0.05)
            assert not answers
            stop.set()
        assert [answer.status["code"] for answer in answers if answer.status is not None] == [500]
        messages = [line["msg"] for line in world.lines]
        assert "stopping" in messages and "ready" not in messages

    trio.run(main)


async def registered(daemon: Daemon, names: tuple[str, ...]) -> bool:
    registration = daemon._admission.policies.registration
    return registration is not None and registration.state.policies == names
