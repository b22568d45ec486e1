"""What one and ten policies add to the creation of a Pod at a real API server: edged, policy-server, the floor server
and the API server's own policies, in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edged.wasm import binary
from tests.bench import creations
from tests.bench.added_figures import EACH, figures
from tests.bench.cluster import KUBERNETES
from tests.bench.floor import Floor
from tests.bench.peers import absence, find
from tests.bench.policies.generate import generate
from tests.bench.policy_server import NAME as POLICY_SERVER
from tests.bench.policy_server import Policy, PolicyServer
from tests.bench.scheduling import DISABLED_ADMISSION
from tests.bench.support import ROOT, BenchError, Edged, cpu_s, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster

ROUNDS, SECONDS, MANY = 3, 2, 10
REGO = ROOT / "modules" / "admission" / "required-labels" / "required-labels.wasm"
REGO_SETTINGS = {"labels": [{"key": "app"}]}
PRIVILEGED = f"!({creations.NOT_PRIVILEGED})"
"""The match condition of policies that have nothing to say about other Pods."""

POLICY = """
[[admission.policy]]
name = "NAME"
module = "file://MODULE"
rules = [{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }]
namespace_selector = { matchLabels = { "kubernetes.io/metadata.name" = "SIDE" } }
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One way to have Pods admitted, in a namespace of its name.

    `pid`: of the process whose CPU counts. `asked`: how many evaluations there were until now; a Pod causes
    `evaluations` of them. `clients`: at how many the side is measured.
    """

    name: str
    clients: tuple[int, ...] = (1,)
    pid: int | None = None
    asked: Callable[[], float] | None = None
    evaluations: int = 0
    refuses: bool = True

    @property
    def namespace(self) -> str:
        return self.name.replace("_", "-")


def run(*, quick: bool = False) -> dict[str, Any]:
    say("building ten policies with the Rust SDK (once)")
    wapc = generate(MANY)
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        rego = rego_variants(MANY, folder)
        cluster = stack.enter_context(Cluster(disable_admission=DISABLED_ADMISSION))
        api = cluster.api()
        sides = [
            Side("none", (1, 4), refuses=False),
            *floor_sides(stack, folder, cluster, api),
            *cel_sides(api),
            *edged_sides(stack, folder, cluster, api, wapc, rego),
            *policy_server_sides(stack, folder, cluster, api, wapc, rego),
        ]
        creations.namespace(api, "none")
        for side in sides:
            wait_until_in_effect(api, side)
        return figures(measure(cluster, sides, 1 if quick else ROUNDS, 1 if quick else SECONDS))


def rego_variants(count: int, folder: Path) -> list[Path]:
    """Gatekeeper policies of equal code and different digests, so that no two share a compiled module."""
    module = REGO.read_bytes()
    paths = [folder / f"rego-{number}.wasm" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(binary.append_custom_section(module, "bench", str(number).encode()))
    return paths


def measure(
    cluster: Cluster, sides: list[Side], rounds: int, seconds: float
) -> dict[tuple[str, int], list[dict[str, float]]]:
    """Every side with one client and, where it is asked for, with four, by turns."""
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    apiserver = cluster.apiserver_pid
    for number in range(rounds + 1):
        say(f"creating Pods: round {number} of {rounds}, 0 to warm up")
        for side in sides:
            for clients in side.clients if number else (1,):
                pids = {"apiserver_cpu_ms": apiserver} | ({"cpu_ms": side.pid} if side.pid else {})
                before = {key: cpu_s(pid) for key, pid in pids.items()}
                taken = creations.load(cluster, side.namespace, connections=clients, seconds=seconds if number else 1)
                if taken["failed"]:
                    raise BenchError(f"{taken['failed']} creations failed beside {side.name}")
                taken |= {key: 1000 * (cpu_s(pid) - before[key]) / taken["requests"] for key, pid in pids.items()}
                if number:
                    found.setdefault((side.name, clients), []).append(taken)
    return found


def wait_until_in_effect(api: Api, side: Side) -> None:
    """Until a bad Pod is refused, and a good one asks all policies."""
    if side.refuses:
        creations.wait(f"{side.name} refuses", lambda: creations.refusal(api, side.namespace))
    if side.asked is not None:
        asked = side.asked

        def asks_all() -> bool:
            before = asked()
            api.create(creations.path(side.namespace), creations.pod())
            return asked() - before == side.evaluations

        creations.wait(f"{side.name} asks {side.evaluations} policies about a Pod", asks_all)


# --- the sides


def floor_sides(stack: ExitStack, folder: Path, cluster: Cluster, api: Api) -> Iterator[Side]:
    """One call and ten calls of a webhook that decides nothing."""
    floor = stack.enter_context(Floor(folder, cluster.certificates))
    for name, calls, clients in (("floor1", 1, (1, 4)), ("floor10", MANY, (1,))):
        creations.namespace(api, name)
        urls = [f"{floor.url}/{number}" for number in range(calls)]
        creations.webhooks(api, name, urls, cluster.certificates.authority)
        yield Side(name, clients, floor.pid, floor.calls, calls, refuses=False)


def cel_sides(api: Api) -> Iterator[Side]:
    """Ten ValidatingAdmissionPolicies that skip the Pod."""
    creations.namespace(api, "cel10")
    for number in range(MANY):
        creations.cel_policy(api, f"cel10-{number}", "cel10", condition=PRIVILEGED)
    yield Side("cel10")


def edged_sides(
    stack: ExitStack, folder: Path, cluster: Cluster, api: Api, wapc: list[Path], rego: list[Path]
) -> Iterator[Side]:
    """One edged as it comes, and one where each policy has a webhook of its own."""
    skip = f'match_conditions = [{{ name = "privileged", expression = "{PRIVILEGED}" }}]'
    labels = 'settings = { labels = [{ key = "app" }] }'
    sides = {"wapc1": (wapc[:1], ""), "wapc10": (wapc, ""), "rego10": (rego, labels), "skipped10": (wapc, skip)}
    yield from sides_of_one(stack, folder / "default", cluster, api, "", sides)
    sides = {name + EACH: sides[name] for name in ("wapc10", "rego10")}
    more = 'webhooks = "each"\nregistration_name = "each"\n'
    yield from sides_of_one(stack, folder / "each", cluster, api, more, sides)


def sides_of_one(
    stack: ExitStack, folder: Path, cluster: Cluster, api: Api, more: str, sides: Mapping[str, tuple[list[Path], str]]
) -> Iterator[Side]:
    """An edged with the policies of all sides: each side's modules, with so much TOML in each table. `more`: in
    [admission]."""
    folder.mkdir()
    config = KUBERNETES.replace("KUBECONFIG", str(cluster.kubeconfig))
    config += f'[admission]\nlisten = "LISTEN"\nregister = "dynamic"\n{more}'
    for name, (paths, settings) in sides.items():
        namespace = Side(name).namespace
        creations.namespace(api, namespace)
        for number, path in enumerate(paths):
            text = POLICY.replace("NAME", f"{namespace}-{number}").replace("MODULE", str(path))
            config += text.replace("SIDE", namespace) + settings + "\n"
    edged = stack.enter_context(Edged(folder, config, cache=folder.parent / "cache"))
    for name, (paths, _) in sides.items():
        clients = (1, 4) if name.startswith(("wapc10", "rego10")) else (1,)
        yield Side(name, clients, edged.process.pid, partial(asked, edged), 0 if name == "skipped10" else len(paths))


def policy_server_sides(
    stack: ExitStack, folder: Path, cluster: Cluster, api: Api, wapc: list[Path], rego: list[Path]
) -> Iterator[Side]:
    if find(POLICY_SERVER) is None:
        say(absence(POLICY_SERVER))
        return
    policies = [Policy(f"wapc{number}", path) for number, path in enumerate(wapc)]
    policies += [Policy(f"rego{number}", path, REGO_SETTINGS) for number, path in enumerate(rego)]
    server = stack.enter_context(PolicyServer(folder, cluster.certificates, policies))
    for name, kind, count in (
        ("policy_server1", "wapc", 1), ("policy_server10", "wapc", MANY), ("policy_server_rego10", "rego", MANY)
    ):  # fmt: skip
        side = Side(name, (1, 4) if count == MANY else (1,), server.pid)
        creations.namespace(api, side.namespace)
        urls = [server.url(f"{kind}{number}") for number in range(count)]
        creations.webhooks(api, side.namespace, urls, cluster.certificates.authority)
        yield side


def asked(edged: Edged) -> float:
    return edged.metric("kubewarden_policy_evaluations_total")
