"""`edged migrate`: shows what changes when edged replaces Kubewarden's components. It reads and never writes.

It looks at a cluster, or at YAML files (`kubectl get ... -o yaml`, manifests, a directory of them), or turns
policy-server's policies.yml into tables of the configuration file. Exit code 0: nothing is in the way; 1: something
needs attention first; 2: usage or configuration.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edged import config as configuration
from edged import yaml_text
from edged.admission.config import AdmissionConfig
from edged.admission.resources import migration
from edged.admission.resources.conversion import Limits
from edged.admission.resources.kinds import GROUP, KINDS, VERSION, is_foreign
from edged.admission.resources.migration import Current, Report
from edged.cli import documents, options
from edged.cli.check import to_toml
from edged.cli.output import is_table, print_data, print_table
from edged.cli.parsing import Parser
from edged.config import Config
from edged.errors import ConfigError, EdgedError
from edged.json_text import dumps, loads
from edged.kube.config import KubernetesConfig
from edged.yaml_text import YamlError

PART_OF = "app.kubernetes.io/part-of=kubewarden"
COMPONENTS = (
    ("apis/apps/v1/deployments", "Deployment"),
    ("apis/batch/v1/cronjobs", "CronJob"),
    ("apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
    ("apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
)
"""Kinds of Kubewarden's own objects, found by label. They are deleted at the end."""
STEPS = (
    "put the suggestions above into edged's configuration file, with policy_server = \"\" for now, and run "
    "`edged check`",
    "edged rbac render{reads} | kubectl apply -f -",
    "stop the controller, so that only one program writes the status: "
    "kubectl -n {namespace} scale deployment kubewarden-controller --replicas=0",
    "delete its webhooks, because nothing answers them now: kubectl delete validatingwebhookconfigurations,"
    "mutatingwebhookconfigurations kubewarden-controller-validating-webhook-configuration "
    "kubewarden-controller-mutating-webhook-configuration --ignore-not-found",
    "set policy_server = {server!r} and restart edged: both programs review requests now",
    "wait until edged serves them: edged status, kubectl get cap,ap,capg,apg -A (all active)",
    "delete the old webhooks: kubectl delete validatingwebhookconfigurations,mutatingwebhookconfigurations -l "
    + PART_OF,
    "delete the rest: kubectl -n {namespace} delete deployments,cronjobs,services,configmaps,secrets -l " + PART_OF,
    "keep the definitions: uninstalling the kubewarden-crds or kubewarden-defaults charts deletes the policies "
    "themselves; `edged crds | kubectl apply --server-side --force-conflicts -f -` makes the definitions edged's",
)


def declare(parser: Parser) -> None:
    parser.describe("Reads a cluster (or files) and says what edged does differently with each policy, what the "
                    "configuration file needs, and which steps to take in which order. Changes nothing.",
                    "edged migrate --kubeconfig kubeconfig", "edged migrate -f policies/ --entries",
                    "edged migrate --policies policies.yml")
    options.filenames(parser, "read this instead of a cluster")
    parser.add_argument("--policies", type=Path, metavar="FILE",
                        help="turn policy-server's policies.yml into tables for the configuration file")
    parser.add_argument("--entries", action="store_true",
                        help="print the custom resources as tables for the configuration file instead")
    options.kubeconfig(parser)
    parser.add_argument("--policy-server", metavar="NAME", help="default: [admission] policy_server, or default")
    options.config(parser, f"default: {configuration.DEFAULT_PATH}, where it exists")
    options.output(parser)


def run(args: argparse.Namespace) -> int:
    config = _config(args.config)
    if args.policies is not None:
        return _print_policies(args.policies, config)
    current = current_of(config, args.policy_server)
    objects, components = _objects(args, config)
    if args.entries:
        ours = [each for each in objects if each.get("kind") in KINDS]
        return _print_tables(*migration.entries(ours, current, needs_of(config)))
    report = migration.examine(objects, current)
    if is_table(args.output):
        print_report(report, current, components, args.output)
    else:
        print_data(as_data(report, current, components), args.output)
    return 1 if report.needs_attention else 0


def current_of(config: Config, server: str | None) -> Current:
    """The parts of the present configuration that matter here."""
    admission = config.admission or AdmissionConfig()
    limits = Limits(
        wall_timeout_s=config.engine.wall_timeout_s,
        module_dirs=admission.module_dirs,
        module_sources=admission.module_sources,
        namespaced_capabilities=admission.namespaced_capabilities,
    )
    return Current(
        server or admission.policy_server or "default", limits, admission.allow_secrets, admission.include_system,
        bool(config.registry.sources), bool(config.registry.docker_config),
        admission.register == "static",
    )  # fmt: skip


def needs_of(config: Config) -> migration.Needs:
    """What modules on this machine say of themselves: files, and those in the local store. Nothing is fetched."""
    from edged.cli.tool_config import with_own_folders
    from edged.registry.store import Store

    store = Store(Path(with_own_folders(config.node).state_dir) / "modules")

    def needs(url: str) -> tuple[str, ...] | None:
        from edged.abi import metadata_checks
        from edged.cli.policy.sources import metadata_of
        from edged.registry.config import module_path
        from edged.wasm import binary

        try:
            path = Path(module_path(url)) if url.startswith("file://") else store.path(url)
            if not path.is_file():
                return None
            found = metadata_of(path)
            if found.host_capabilities is not None:
                return found.host_capabilities
            content = path.read_bytes()  # made before modules declared it: what its bytes name
            rego = metadata_checks.is_rego(binary.interface(content).exports)
            named = () if rego else metadata_checks.capabilities_in(binary.data_strings(content))
        except (EdgedError, OSError):
            return None
        return tuple(dict.fromkeys([*(["kubernetes/*"] if found.context_aware else []), *named]))

    return needs


def _config(path: str | None) -> Config:
    """The configuration, or its defaults if nothing is installed yet."""
    if path is None and not os.path.exists(configuration.DEFAULT_PATH):
        return Config()
    return configuration.load(path or configuration.DEFAULT_PATH)


# --- reading


def _objects(args: argparse.Namespace, config: Config) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Objects of the five kinds, and Kubewarden's own components."""
    if args.filename:
        found = [obj for name in args.filename for obj in read_files(Path(name))]
        return found, []
    import trio

    return trio.run(_read_cluster, options.cluster(args, config.kubernetes))


def read_files(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a YAML or JSON file, or of all such files in a directory; Lists are unpacked. Raises ConfigError."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in (".yaml", ".yml", ".json") and file.is_file():
                yield from read_files(file)
        return
    for document, _ in documents.parsed(documents.read(path), str(path)):
        items = document.get("items") if isinstance(document, dict) else None
        for obj in items if isinstance(items, list) else [document]:
            if isinstance(obj, dict) and not is_foreign(obj):
                yield _checked(obj, path)


def _checked(obj: dict[str, Any], path: Path) -> dict[str, Any]:
    """An object with a kind and a name, as an API server's objects have. Raises ConfigError."""
    kind, metadata = obj.get("kind"), obj.get("metadata")
    if kind is not None and not isinstance(kind, str):
        raise ConfigError(f"{path}: kind must be a text, such as ClusterAdmissionPolicy")
    if kind in KINDS and not (isinstance(metadata, dict) and isinstance(metadata.get("name"), str)):
        raise ConfigError(f"{path}: a {kind} without metadata.name, which must be a text")
    return obj


def load_yaml(path: Path) -> Any:
    """Plain data of a YAML file. Raises ConfigError."""
    try:
        return yaml_text.load(documents.read(path), what=str(path))
    except YamlError as error:
        raise ConfigError(str(error)) from error


async def _read_cluster(kubernetes: KubernetesConfig) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    from edged.kube.client import ApiError
    from edged.kube.kubeconfig import open_client

    client = await open_client(kubernetes)
    try:
        objects: list[dict[str, Any]] = []
        for kind in KINDS.values():
            try:
                answer = await client.request("GET", kind.resource.path())
            except ApiError as error:
                if error.code != 404:
                    raise
                continue
            rows = answer.get("items") or ()
            objects += [{"apiVersion": f"{GROUP}/{VERSION}", "kind": kind.kind, **obj} for obj in rows]
        components = []
        for path, name in COMPONENTS:
            answer = await client.request("GET", f"/{path}", query={"labelSelector": PART_OF})
            components += [_component(name, obj) for obj in answer.get("items") or ()]
        return objects, components
    finally:
        await client.aclose()


def _component(kind: str, obj: dict[str, Any]) -> dict[str, str]:
    metadata = obj["metadata"]
    return {"kind": kind, "namespace": metadata.get("namespace") or "", "name": metadata["name"]}


# --- printing


def suggestion(report: Report) -> str:
    """The keys for the configuration file, as TOML."""
    tables: dict[str, Any] = {"admission": report.admission}
    if report.engine:
        tables["engine"] = report.engine
        tables["admission"] = {**report.admission, "webhook_timeout_s": int(report.engine["wall_timeout_s"]) + 1}
    if report.sources:
        tables["registry"] = {"sources": "/etc/edged/sources.yml"}
    return to_toml(tables)


def steps(report: Report, current: Current, components: list[dict[str, str]]) -> list[str]:
    """What to do, in order."""
    reads = "".join(f" --read {reference}" for reference in report.reads)
    namespaces = {each["namespace"] for each in components if each["namespace"]}
    namespace = min(namespaces, default="kubewarden")
    return [step.format(reads=reads, namespace=namespace, server=current.server) for step in STEPS]


def as_data(report: Report, current: Current, components: list[dict[str, str]]) -> dict[str, Any]:
    """The report for `-o json`."""
    objects = [
        {
            "object": each.object,
            "policy": each.policy,
            "findings": [{"level": finding.level, "text": finding.text} for finding in each.findings],
        }
        for each in report.objects
    ]
    return {
        "needs_attention": report.needs_attention,
        "objects": objects,
        "configuration": suggestion(report),
        "sources_file": report.sources,
        "components": components,
        "steps": steps(report, current, components),
    }


def print_report(report: Report, current: Current, components: list[dict[str, str]], output: str) -> None:
    """For people."""
    if not report.objects:
        print("no custom resources of Kubewarden are there")
    rows = []
    for each in report.objects:
        findings = each.findings or (migration.Finding("ok", "as before"),)
        for index, finding in enumerate(findings):
            rows.append((each.object if index == 0 else "", finding.level, finding.text))
    if rows:
        print_table(("OBJECT", "LEVEL", "WHAT"), rows, output, wrap=True)
    print("\nSUGGESTED FOR THE CONFIGURATION FILE")
    print(suggestion(report), end="")
    if report.sources:
        print("\nSUGGESTED FOR /etc/edged/sources.yml")
        print_data(report.sources, "yaml")
    if components:
        print("\nCAN BE DELETED AFTERWARDS")
        columns = [(each["kind"], each["namespace"], each["name"]) for each in components]
        print_table(("KIND", "NAMESPACE", "NAME"), columns, output)
    print("\nSTEPS")
    for number, step in enumerate(steps(report, current, components), 1):
        print(f"{number}. {step}")


def _print_policies(path: Path, config: Config) -> int:
    return _print_tables(*migration.policies_yml(load_yaml(path), needs_of(config)))


def _print_tables(tables: Mapping[str, object], problems: list[str]) -> int:
    """Tables as TOML on stdout, problems on stderr."""
    if tables:
        print(to_toml({"admission": loads(dumps(tables))}), end="")
    for problem in problems:
        print(f"edged: {problem}", file=sys.stderr)
    return 1 if problems else 0
