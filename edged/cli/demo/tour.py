"""The tour that `edged demo` gives: a sandbox API server, the daemon in front of it, and six things that happen.

stage.py runs both, as processes of their own, so that the memory shown is the daemon's alone. Every step looks at what
the API server stored or answered; a step that did not happen makes the demo fail.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from edged.cli.demo.network import HOSTS, fabric_lines
from edged.cli.demo.stage import START_S, Stage, StepFailed, pod_named
from edged.kube.client import ApiError

if TYPE_CHECKING:
    from edged.cli.answers import NodeVerdict

STEP_S = 15.0
ENDLESS = 4  # endless guests at once
VNI = 7


@dataclass(slots=True)
class Step:
    """One thing shown. `lines` are for people, `data` for programs."""

    title: str
    lines: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    ok: bool = False


class Demo:
    """Runs the steps one after the other; `show` is called with each finished one."""

    def __init__(self, folder: Path, show: Callable[[Step], None]) -> None:
        self.steps: list[Step] = []
        self._stage = Stage(folder)
        self._show = show
        self._begun = time.monotonic()

    async def run(self) -> None:
        """All steps. Raises StepFailed, PeerError, ConfigError."""
        async with self._stage.running():
            await self._steps()

    async def _steps(self) -> None:
        for title, action in (
            ("An API server and edged, both on this machine", self._start),
            ("A privileged Pod is denied by a policy", self._deny),
            ("A Pod is changed by a mutating policy", self._mutate),
            ("Pods are placed by two scheduler plugins", self._schedule),
            (f"{ENDLESS} endless guests are cut off, the others are served meanwhile", self._cut_off),
            ("Controllers make a virtual network over two nodes", self._connect),
            ("What all of it costs", self._cost),
        ):
            step = Step(title)
            try:
                with trio.fail_after(START_S if action in (self._start, self._connect) else STEP_S):
                    await action(step)
            except trio.TooSlowError:
                raise StepFailed(
                    f"{title}: did not happen in time; the daemon said:\n{self._stage.last_words()}"
                ) from None
            step.ok = True
            self.steps.append(step)
            self._show(step)

    # --- the steps

    async def _start(self, step: Step) -> None:
        await self._stage.until("edged is ready", self._stage.registered)
        report = self._stage.status()
        for name, labels in {
            "camera-1": {
                "device.edged.dev/camera": "1",
                "edged.dev/power": "battery",
                "edged.dev/battery-percent": "25",
            },
            "mains-1": {"edged.dev/power": "mains"},
            "camera-2": {"device.edged.dev/camera": "1", "edged.dev/power": "mains"},
        }.items():
            await self._stage.create_node(name, labels)
        step.lines = [
            f"API server  {self._stage.client.server}  (in memory, nothing of your machine is touched)",
            f"edged       {len(report['policies'])} policies, 2 scheduler plugins, 3 controllers, ready "
            f"{time.monotonic() - self._begun:.1f} s after the start, compiling included",
        ]
        step.data = {"server": self._stage.client.server, "policies": report["policies"]}

    async def _deny(self, step: Step) -> None:
        pod = pod_named("shell", privileged=True)
        try:
            await self._stage.create(pod)
        except ApiError as error:
            if "no-privileged" not in error.message:
                raise StepFailed(f"the Pod was denied, but not by the policy: {error.message}") from error
            step.lines = [
                "$ kubectl apply -f shell.yaml      # privileged: true",
                f"Error from server: {error.message}",
            ]
            step.data = {"code": error.code, "message": error.message}
            return
        raise StepFailed("a privileged Pod was admitted")

    async def _mutate(self, step: Step) -> None:
        sent = pod_named("web")
        got = await self._stage.create(sent)
        before = sent["spec"]["containers"][0].get("resources", {})
        after = got["spec"]["containers"][0].get("resources", {})
        if after == before or "requests" not in after:
            raise StepFailed(f"the Pod was not changed: resources are {after}")
        step.lines = ["  spec:", "    containers:", "    - name: main", "      image: registry.example/web:1"]
        step.lines += ["+     resources:"]
        for kind, values in sorted(after.items()):
            step.lines += [
                f"+       {kind}:",
                *(f"+         {name}: {value}" for name, value in values.items()),
            ]
        step.data = {"before": before, "after": after}

    async def _schedule(self, step: Step) -> None:
        for pod in (pod_named("plain", scheduled=True), pod_named("watcher", scheduled=True, device="camera")):
            await self._stage.create(pod)
        for name in ("plain", "watcher"):
            node = await self._stage.placed(name)
            why = await trio.to_thread.run_sync(
                partial(self._stage.asked, "why", pod=f"default/{name}")
            )
            step.lines.append(f"{name} -> {node}")
            step.lines += _explain(why["nodes"])
            step.data[name] = why
            if why.get("node") != node:
                raise StepFailed(f"{name} is on {node}, edged says {why.get('node')}")
        if step.data["watcher"]["node"] != "camera-2":
            raise StepFailed(f"the Pod that asks for a camera went to {step.data['watcher']['node']}")

    async def _cut_off(self, step: Step) -> None:
        ended: list[str] = []
        honest: list[float] = []

        async def endless(number: int) -> None:
            try:
                await self._stage.create(pod_named(f"endless-{number}", labels={"policy": "endless"}))
            except ApiError as error:
                ended.append(error.message)

        async with trio.open_nursery() as nursery:
            begun = time.perf_counter()
            for number in range(ENDLESS):
                nursery.start_soon(endless, number)
            while len(ended) < ENDLESS and time.perf_counter() - begun < STEP_S:
                asked = time.perf_counter()
                await self._stage.create(pod_named("probe"), dry_run=True)
                honest.append(time.perf_counter() - asked)
        if len(ended) < ENDLESS or not all("exceeded the allowed execution time" in text for text in ended):
            raise StepFailed(f"endless guests were not cut off: {ended}")
        took = time.perf_counter() - begun
        honest.sort()
        middle = honest[len(honest) // 2] * 1000
        step.lines = [
            f"{ENDLESS} guests that never return: each denied after its timeout of 0.5 s (all gone after {took:.2f} s)",
            f"  {ended[0]}",
            f"meanwhile {len(honest)} other Pods went through both other policies, {middle:.1f} ms each (median)",
        ]
        step.data = {"denied": len(ended), "after_s": took, "honest": len(honest), "honest_median_ms": middle}

    async def _connect(self, step: Step) -> None:
        """An attachment on each node; a second Subnet of the same network that overlaps the first."""
        network = self._stage.network
        async with self._stage.second_node():
            good = await network.subnet("cameras", "10.20.0.0/28", VNI)
            rival = await network.subnet("rival", "10.20.0.8/29", VNI)
            if not good.get("validated") or rival.get("validated") or not rival.get("errors"):
                raise StepFailed(f"of two Subnets that overlap the first is to be used: {good}, {rival}")
            step.lines = ["Subnet cameras  10.20.0.0/28  validated", "Subnet rival    10.20.0.8/29  refused:"]
            step.lines += [f"    {error}" for error in rival["errors"]]
            for node in HOSTS:
                await network.attach(f"on-{node}", node, "cameras")
            shown = {node: await network.attached(f"on-{node}") for node in HOSTS}
            step.lines += [f"NetworkAttachment on-{node}: address {status['ipv4']}" for node, status in shown.items()]
            fabrics = {node: await network.fabric(node, len(HOSTS)) for node in HOSTS}
        for node, fabric in fabrics.items():
            step.lines += fabric_lines(node, fabric)
            if [each["guestIP"] for each in fabric["local"]] != [shown[node]["ipv4"]]:
                raise StepFailed(f"{node} has the address {shown[node]['ipv4']} and the fabric {fabric}")
        step.data = {"refused": rival["errors"], "attachments": shown, "fabrics": fabrics}

    async def _cost(self, step: Step) -> None:
        report = self._stage.status()
        memory = report["memory_kib"]
        total = time.monotonic() - self._begun
        step.lines = [
            f"memory  {memory['rss'] / 1024:.0f} MiB resident ({memory['pss'] / 1024:.0f} MiB proportional) for edged: "
            "admission, scheduler, controllers and all eight modules",
            f"time    {total:.1f} s for this demo",
        ]
        step.data = {"rss_mib": memory["rss"] / 1024, "pss_mib": memory["pss"] / 1024, "total_s": total}


def _explain(nodes: Mapping[str, NodeVerdict]) -> list[str]:
    """A line per node: its total and the guests' parts, or why it was out."""
    lines = []
    for node, verdict in sorted(nodes.items()):
        if "total" in verdict:
            parts = ", ".join(f"{plugin} {points}" for plugin, points in verdict["final"].items() if points)
            lines.append(f"    {node:<10} {verdict['total']:>4}  ({parts})")
        else:
            out = [f"{plugin}: {text}" for plugin, text in verdict["filter"].items() if text != "passed"]
            lines.append(f"    {node:<10}    -  {'; '.join(out) or 'fits, the only one: not scored'}")
    return lines


async def run(show: Callable[[Step], None]) -> list[Step]:
    """The whole tour in a temporary folder. Raises EdgedError when a step did not happen."""
    with tempfile.TemporaryDirectory(prefix="edged-demo-") as folder:
        demo = Demo(Path(folder), show)
        await demo.run()
        return demo.steps
