"""`edged rbac render`: the smallest rights for what a configuration enables, as objects for `kubectl apply`.

With --output-path, once they have been applied, it writes a kubeconfig for that identity, so that the daemon does
not run with the administrator's. `edged webhook install` creates the webhook objects: Kubernetes cannot limit
`create` by name, and the right to create them is as powerful as cluster-admin. `edged init` does all of this.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edged import config as configuration
from edged.admission.audit import reports, targets
from edged.admission.config import GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.resources.kinds import GROUP as RESOURCE_GROUP
from edged.admission.resources.kinds import KINDS
from edged.admission.rules.manifest_checks import trial_name
from edged.admission.rules.webhooks import PLURALS
from edged.cli import options
from edged.cli.output import print_documents
from edged.cli.parsing import Parser
from edged.cli.webhook.registrations import metadata_of, registered_names
from edged.config import Config
from edged.errors import ConfigError
from edged.kube.config import KubernetesConfig
from edged.scheduling.config.config_sections import LeaderElectionSettings

GROUP = "rbac.authorization.k8s.io"
TOKEN_SECRET = "kubernetes.io/service-account-token"
READ = ("get", "list", "watch")
Rule = dict[str, Any]


def declare(parser: Parser) -> None:
    parser.describe("The daemon's identity and rights.")
    parser.commands("action", "ACTION", {"render": ("print roles and bindings", _declare_render)})


def _declare_render(parser: Parser) -> None:
    parser.describe("Prints the identity and the smallest roles for what the configuration enables. With --output-path "
                    "it writes the ServiceAccount's kubeconfig instead, once these objects have been applied.",
                    "edged rbac render | kubectl apply -f -",
                    "edged rbac render --kubeconfig admin.conf --output-path kubeconfig")
    options.config(parser)
    parser.add_argument("-n", "--namespace", metavar="NAME", default="kube-system",
                        help="namespace of the ServiceAccount; default: %(default)s")
    parser.add_argument("--name", default="edged", help="name of all objects; default: edged")
    parser.add_argument("--read", action="append", default=[], metavar="APIVERSION/KIND",
                        help="also grant reading this kind, which custom resources name in contextAwareResources; "
                             "repeatable")
    parser.add_argument("--user", help="bind the roles to this user (a certificate's CN), not to a ServiceAccount")
    parser.add_argument("--output-path", metavar="FILE",
                        help="write the ServiceAccount's kubeconfig to FILE instead; needs an administrator's rights")
    options.kubeconfig(parser)
    options.force(parser)
    options.output(parser, "yaml", "json")


def run(args: argparse.Namespace) -> int:
    config = configuration.load(args.config or configuration.DEFAULT_PATH)
    if args.output_path is None and args.kubeconfig is not None:
        _note_old_spelling(args)
    if args.output_path is not None:
        if args.user:
            raise ConfigError("--output-path is for the ServiceAccount; a user has a certificate of its own")
        options.check_new(Path(args.output_path), args)
        return _write_kubeconfig(options.cluster(args, config.kubernetes), args)
    print_documents(render(config, args.name, args.namespace, args.user, args.read), args.output)
    return 0


def render(config: Config, name: str, namespace: str, user: str | None = None,
           read: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Identity, roles and bindings, in the order to apply them. `read`: kinds that policies of custom resources read
    or audits list. Raises ConfigError."""
    subject = {"kind": "User", "name": user, "apiGroup": GROUP} if user else \
        {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    documents = [] if user else _service_account(name, namespace)
    rules = [*cluster_rules(config), *read_rules(read)]
    if rules:
        documents += _role("Cluster", name, None, rules, subject)
    for where, found in namespaced_rules(config).items():
        documents += _role("", name, where, found, subject)
    return documents


def _service_account(name: str, namespace: str) -> list[dict[str, Any]]:
    metadata = {"name": name, "namespace": namespace}
    # This token does not expire, because nobody renews tokens for a process outside the cluster.
    secret = {**metadata, "annotations": {"kubernetes.io/service-account.name": name}}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata,
         "automountServiceAccountToken": False},
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "type": TOKEN_SECRET},
    ]


def _role(scope: str, name: str, namespace: str | None, rules: list[Rule],
          subject: Mapping[str, object]) -> list[dict[str, Any]]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    kind = f"{scope}Role"
    return [
        {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "rules": rules},
        {"apiVersion": f"{GROUP}/v1", "kind": f"{kind}Binding", "metadata": metadata,
         "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name}, "subjects": [subject]},
    ]


def _rule(group: str, resources: Iterable[str], verbs: Iterable[str], names: Iterable[str] = ()) -> Rule:
    rule: Rule = {"apiGroups": [group], "resources": sorted(set(resources)), "verbs": list(verbs)}
    return {**rule, "resourceNames": list(names)} if names else rule


# --- what each part needs
def cluster_rules(config: Config) -> list[Rule]:
    """Rules of the ClusterRole."""
    return [
        *_admission_rules(config),
        *_resource_rules(config),
        *_audit_rules(config),
        *_scheduler_rules(config),
        *_controller_rules(config),
    ]


def namespaced_rules(config: Config) -> dict[str, list[Rule]]:
    """Rules of Roles, by namespace. Raises ConfigError: a scheduler's file cannot be read."""
    rules: dict[str, list[Rule]] = {}
    if config.admission is not None and config.admission.register == "dynamic":
        # Which hosts run API servers: a loopback URL is refused where there is more than this one.
        rules["default"] = [_rule("discovery.k8s.io", ["endpointslices"], ["list"])]
    lease = scheduler_lease(config)
    if lease is not None:
        rules.setdefault(lease.namespace, []).extend(
            # Kubernetes cannot limit `create` by name.
            [
                _rule("coordination.k8s.io", ["leases"], ["create"]),
                _rule("coordination.k8s.io", ["leases"], ["get", "update"], [lease.name]),
            ]
        )
    _add_controllers(config, rules)
    return rules


def scheduler_lease(config: Config) -> LeaderElectionSettings | None:
    from edged.scheduling.run.plugin_loader import read_settings
    from edged.scheduling.run.scheduling import OWN_LEASE

    scheduler = config.scheduler
    if scheduler is None:
        return None
    if scheduler.config:
        return read_settings(Path(scheduler.config)).election
    return LeaderElectionSettings(name=OWN_LEASE) if scheduler.leader_election else None


def _admission_rules(config: Config) -> list[Rule]:
    admission = config.admission
    if admission is None:
        return []
    rules = []
    if admission.register == "dynamic":
        group = "admissionregistration.k8s.io"
        name = admission.registration_name
        rules.append(_rule(group, PLURALS.values(), ["get", "update"], [name]))
        if former := [each for each in registered_names(config, admission) if each != name]:
            rules.append(_rule(group, PLURALS.values(), ["get", "update", "delete"], former))
    if admission.register == "static":
        # Whether the API server goes by the manifests is in its own metrics, and nowhere else.
        rules.append({"nonResourceURLs": ["/metrics"], "verbs": ["get"]})
        # Empty objects, updated by dry runs only: RBAC has no right to dry runs alone.
        group = "admissionregistration.k8s.io"
        rules.append(_rule(group, PLURALS.values(), ["get", "update"], [trial_name(config.node.name)]))
    groups: dict[str, set[str]] = {}
    granted: list[PolicyConfig | GroupMemberConfig] = [*admission.policy]
    for each in admission.group:
        granted += each.members.values()
    for policy in granted:
        for reference in policy.context_aware:
            group = reference["apiVersion"].rpartition("/")[0]
            groups.setdefault(group, set()).add(plural(reference["kind"]))
    rules += [_rule(group, resources, READ) for group, resources in sorted(groups.items())]
    if any(_may_ask_access(pattern) for policy in granted for pattern in policy.host_capabilities):
        rules.append(_rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]))
    return rules


def _audit_rules(config: Config) -> list[Rule]:
    """What audits read and write. `edged audit` without an interval needs the same rights; bind them by hand."""
    admission = config.admission
    if admission is None or not admission.audit_interval_s:
        return []
    listed: dict[str, set[str]] = {"": {"namespaces"}}
    policies: list[PolicyConfig | GroupConfig] = [*admission.policy, *admission.group]
    for policy in policies:
        if policy.background_audit:
            for gvr in targets.named(_rules_of(policy, config.node.state_dir)):
                listed.setdefault(gvr.group, set()).add(gvr.resource)
    if listed == {"": {"namespaces"}}:
        return []
    written = {"auto": tuple(reports.KINDS), "none": ()}.get(admission.audit_reports, (admission.audit_reports,))
    return [_rule(group, resources, ["list"]) for group, resources in sorted(listed.items())] + [
        _rule(kinds.namespaced.group, [kinds.namespaced.resource, kinds.cluster.resource],
              ["create", "deletecollection", "list", "patch"])
        for kinds in (reports.KINDS[name] for name in written)
    ]


def _rules_of(policy: PolicyConfig | GroupConfig, state_dir: str) -> tuple[Rule, ...]:
    """The configured rules, else those in the module. None if it cannot be read, which stderr says."""
    if policy.rules is not None or isinstance(policy, GroupConfig):
        return policy.rules or ()
    found = metadata_of(policy, state_dir)
    return found.rules if found is not None else ()


def _resource_rules(config: Config) -> list[Rule]:
    """Custom resources: read all kinds, write status and finalizers. What their policies read is in the objects, not in
    the configuration: see `--read`."""
    if config.admission is None or not config.admission.policy_server:
        return []
    plurals = [kind.plural for kind in KINDS.values()]
    return [
        _rule(RESOURCE_GROUP, plurals, [*READ, "patch"]),
        _rule(RESOURCE_GROUP, [f"{name}/status" for name in plurals], ["patch"]),
        _rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
    ]


def read_rules(references: Iterable[str]) -> list[Rule]:
    """`v1/Namespace`, `apps/v1/Deployment` -> rules to read them. Raises ConfigError."""
    groups: dict[str, set[str]] = {}
    for reference in references:
        api_version, _, kind = reference.rpartition("/")
        if not api_version or not kind or api_version.count("/") > 1:
            raise ConfigError(f"--read {reference}: must be APIVERSION/KIND, such as v1/Namespace")
        groups.setdefault(api_version.rpartition("/")[0], set()).add(plural(kind))
    return [_rule(group, resources, READ) for group, resources in sorted(groups.items())]


def _may_ask_access(pattern: str) -> bool:
    return pattern in ("*", "kubernetes/*", "kubernetes/can_i")


def _scheduler_rules(config: Config) -> list[Rule]:
    if config.scheduler is None:
        return []
    return [
        _rule("", ["nodes", "pods"], READ),
        # Preemption: who may be evicted, and evicting.
        _rule("policy", ["poddisruptionbudgets"], READ),
        _rule("", ["pods"], ["delete"]),
        _rule("", ["pods/binding"], ["create"]),
        _rule("", ["pods/status"], ["patch"]),
        # What volumes, affinity across namespaces and default spreading depend on; told to whom they bind.
        *(_rule(group, plurals, READ) for group, plurals in _scheduling_objects()),
        _rule("", ["persistentvolumeclaims", "persistentvolumes"], ["patch"]),
        *([_rule("", ["pods"], ["patch"])] if config.scheduler.annotate_results else []),
        _rule("events.k8s.io", ["events"], ["create", "patch"]),
    ]


def _scheduling_objects() -> list[tuple[str, list[str]]]:
    from edged.scheduling.run.object_feed import RESOURCES

    groups: dict[str, list[str]] = {}
    for resource in RESOURCES.values():
        groups.setdefault(resource.group, []).append(resource.resource)
    return list(groups.items())


def _controller_rules(config: Config) -> list[Rule]:
    if not config.controller:
        return []
    from edged.cli import controller_rights

    return controller_rights.cluster_rules(config)


def _add_controllers(config: Config, rules: dict[str, list[Rule]]) -> None:
    """To the rules of Roles."""
    if not config.controller:
        return
    from edged.cli import controller_rights

    for namespace, found in controller_rights.namespaced_rules(config).items():
        there = rules.setdefault(namespace, [])
        there.extend(rule for rule in found if rule not in there)


def plural(kind: str) -> str:
    """Kind -> resource, by the usual rule for plurals. A kind with another plural needs an edit by hand."""
    lower = kind.lower()
    if lower == "endpoints":
        return lower
    if lower.endswith("s"):
        return f"{lower}es"
    return f"{lower[:-1]}ies" if lower.endswith("y") and lower[-2:-1] not in "aeiou" else f"{lower}s"


# --- a kubeconfig
def _note_old_spelling(args: argparse.Namespace) -> None:
    """--kubeconfig was the file to write. It is one to read now, so one that is there is never written over."""
    if Path(args.kubeconfig).exists():
        print("edged: --kubeconfig is only read, and only for --output-path FILE, which writes the ServiceAccount's "
              "kubeconfig", file=sys.stderr)
        return
    print("edged: --kubeconfig OUT is now --output-path OUT", file=sys.stderr)
    args.output_path, args.kubeconfig = args.kubeconfig, None


def _write_kubeconfig(kubernetes: KubernetesConfig, args: argparse.Namespace) -> int:
    import trio

    from edged.cli import new_files

    content, server = trio.run(_kubeconfig, kubernetes, args.name, args.namespace)
    path = Path(args.output_path)
    changed = new_files.write(path, content, mode=0o600, force=args.force)
    print(f"{path}: {args.namespace}/{args.name} on {server}{'' if changed else ' (unchanged)'}")
    return 0


async def _kubeconfig(kubernetes: KubernetesConfig, name: str, namespace: str) -> tuple[bytes, str]:
    """Built from the token Secret that `render` printed and the administrator applied; and the server in it."""
    from edged.cli.installation.administrator import address_of
    from edged.cli.installation.identity import kubeconfig, token_of
    from edged.kube.client import ApiClient, Session
    from edged.kube.kubeconfig import Location

    found = Location(kubernetes.kubeconfig, kubernetes.context).load()
    client = ApiClient(Session(found))
    try:
        secret = await client.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
    finally:
        await client.aclose()
    if secret.get("type") != TOKEN_SECRET or not token_of(secret):
        raise ConfigError(f"Secret {namespace}/{name} holds no ServiceAccount token (yet): apply what "
                          "`edged rbac render` prints, and try again")
    return kubeconfig(name, address_of(found), secret), client.server
