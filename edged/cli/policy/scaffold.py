"""`edged policy scaffold WHAT`: prints files that are tedious to write by hand, from metadata or from objects.

Everything goes to stdout. vap.py converts ValidatingAdmissionPolicies.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from edged.cli import from_kwctl, options
from edged.cli.output import print_data, print_documents
from edged.cli.parsing import Parser
from edged.errors import ConfigError

if TYPE_CHECKING:
    from edged.abi.metadata import Metadata

KINDS = ("ClusterAdmissionPolicy", "AdmissionPolicy", "ClusterAdmissionPolicyGroup", "AdmissionPolicyGroup")
PREFIX = "io.kubewarden.policy."
HUB = "io.artifacthub."
METADATA = ("metadata.yml", "metadata.yaml")
QUESTIONS = ("questions-ui.yml", "questions-ui.yaml", "questions.yml", "questions.yaml")
"""Names that kwctl looks for in the current folder."""
CEL_POLICY = "registry://ghcr.io/kubewarden/policies/cel-policy:latest"


def declare(parser: Parser) -> None:
    parser.describe("Prints files that are tedious to write by hand, from metadata or from objects.")
    parser.commands("what", "WHAT", {
        "admission-request": ("an AdmissionReview about an object", _declare_request),
        "manifest": ("a custom resource from a module's metadata", _declare_manifest),
        "toml": ("an [[admission.policy]] entry of edged.toml from a module's metadata", _declare_toml),
        "vap": ("a ClusterAdmissionPolicy of a ValidatingAdmissionPolicy and its binding", _declare_vap),
        "artifacthub": ("artifacthub-pkg.yml from metadata", _declare_artifacthub),
        "verification-config": ("an example of a verification file", _declare_verification),
    })  # fmt: skip


def _declare_toml(parser: Parser) -> None:
    parser.describe("Prints an [[admission.policy]] entry of edged.toml from a module's metadata.",
                    "edged policy scaffold toml pod-privileged.wasm >> /etc/edged/edged.toml")
    _add_policy_options(parser)


def _declare_vap(parser: Parser) -> None:
    parser.describe("The policy's expressions become settings of Kubewarden's CEL policy, and each binding a policy of "
                    "its own. What cannot be expressed is an error, and what gets lost is noted on stderr.",
                    "edged policy scaffold vap -p policy.yaml -b binding.yaml")
    parser.add_argument("-p", "--policy", metavar="FILE", required=True, help="the ValidatingAdmissionPolicy")
    parser.add_argument("-b", "--binding", metavar="FILE", required=True, action="append",
                        help="its ValidatingAdmissionPolicyBindings; repeatable")  # fmt: skip
    parser.add_argument("--cel-policy", metavar="MODULE", default=CEL_POLICY, help=f"default: {CEL_POLICY}")
    options.output(parser, "yaml", "json")


def _declare_artifacthub(parser: Parser) -> None:
    parser.describe("Prints artifacthub-pkg.yml from metadata.",
                    "edged policy scaffold artifacthub -m metadata.yml > artifacthub-pkg.yml")
    parser.elsewhere(from_kwctl.ARTIFACTHUB)
    parser.add_argument("-m", "--metadata-path", metavar="FILE", help=f"metadata, YAML or JSON; default: {METADATA[0]}")
    parser.add_argument("-v", "--version", metavar="VERSION", dest="package_version",
                        help="default: the metadata's version")
    parser.add_argument("-q", "--questions-path", metavar="FILE",
                        help=f"questions for a form, YAML; default: {QUESTIONS[0]}, if there is one")
    options.output(parser, "yaml", "json")


def _declare_verification(parser: Parser) -> None:
    parser.describe("Prints an example of a verification file.",
                    "edged policy scaffold verification-config > verification.yml")
    options.output(parser, "yaml", "json")


def _declare_request(parser: Parser) -> None:
    parser.describe("Prints the request that the API server would send for the object.",
                    "edged policy scaffold admission-request --object pod.yaml > review.json")
    parser.elsewhere(from_kwctl.REQUEST)
    parser.add_argument("--object", metavar="FILE", help="the object; for DELETE, --old-object is enough")
    parser.add_argument("--old-object", metavar="FILE", help="the object before an UPDATE or DELETE")
    operations = ("CREATE", "UPDATE", "DELETE", "CONNECT")
    parser.add_argument("--operation", dest="verb", choices=operations, default="CREATE", metavar="VERB",
                        help=f"{', '.join(operations)}; default: CREATE")
    parser.add_argument("-n", "--namespace", metavar="NAME", help="namespace of an object that names none")
    parser.add_argument("--name", metavar="NAME", help="name of an object that has none")
    parser.add_argument("--user", metavar="NAME", help="the user who makes the request")
    parser.add_argument("--group", metavar="NAME", action="append", default=[], help="a group of the user; repeatable")
    parser.add_argument("--subresource", metavar="NAME", help="such as status or exec")
    parser.add_argument("--resource", metavar="PLURAL", help="plural of a kind that is not built in")
    parser.add_argument("--dry-run", action="store_true", help="make it a request of --dry-run=server")
    options.output(parser, "json", "yaml")


def _declare_manifest(parser: Parser) -> None:
    parser.describe("Prints a custom resource from a module's metadata.",
                    "edged policy scaffold manifest pod-privileged.wasm | kubectl apply -f -")
    parser.elsewhere(from_kwctl.SIGNATURES)
    _add_policy_options(parser)
    parser.add_argument("-t", "--type", choices=KINDS, default=KINDS[0], metavar="KIND",
                        help=f"{', '.join(KINDS)}; default: {KINDS[0]}")
    parser.add_argument("-n", "--namespace", metavar="NAME", default="default",
                        help="of an AdmissionPolicy; default: default")  # fmt: skip
    parser.add_argument("--policy-server", metavar="NAME", default="default", help="default: default")
    options.output(parser, "yaml", "json")


def _add_policy_options(parser: Parser) -> None:
    parser.add_argument("module", metavar="MODULE", help="a file, a URL, or the beginning of a digest in the store")
    settings = parser.add_mutually_exclusive_group()
    settings.add_argument("-s", "--settings-path", metavar="FILE", help="its settings, YAML or JSON")
    settings.add_argument("--settings-json", metavar="TEXT", help="its settings, YAML or JSON")
    parser.add_argument("--title", metavar="NAME", help="the policy's name; default: from metadata")
    parser.add_argument("--allow-context-aware", action="store_true",
                        help="let the policy read the kinds in its metadata")  # fmt: skip
    parser.add_argument("--config", metavar="FILE", help="take folders from this edged.toml")
    options.registry(parser)


def run(args: argparse.Namespace) -> int:
    if args.what == "toml":
        from edged.cli.check import to_toml

        print(to_toml({"admission": {"policy": [_entry(args)]}}).replace("[admission]\n\n", ""), end="")
        return 0
    if args.what == "vap":
        return _vap(args)
    make: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
        "admission-request": _request,
        "manifest": _manifest,
        "artifacthub": _artifacthub,
        "verification-config": lambda args: VERIFICATION,
    }
    print_data(make[args.what](args), args.output)
    return 0


VERIFICATION = {
    "apiVersion": "v1",
    "allOf": None,
    "anyOf": {
        "minimumMatches": 1,
        "signatures": [{"kind": "githubAction", "owner": "kubewarden", "repo": None, "annotations": None}],
    },
}
"""Trusts what GitHub Actions of Kubewarden's organisation signed."""


def _request(args: argparse.Namespace) -> dict[str, Any]:
    from edged.cli.policy.requests import USUAL, Circumstances, build

    if args.object is None and (args.verb != "DELETE" or args.old_object is None):
        raise ConfigError(f"scaffold admission-request: {args.verb} needs --object FILE")
    if args.old_object is not None and args.verb not in ("UPDATE", "DELETE"):
        raise ConfigError("--old-object is for --operation UPDATE or DELETE")
    old = _object(args.old_object) if args.old_object else None
    obj = _object(args.object) if args.object else old
    assert obj is not None
    circumstances = Circumstances(
        operation=args.verb, namespace=args.namespace or "", name=args.name or "", user=args.user or USUAL.user,
        groups=tuple(args.group) or USUAL.groups, subresource=args.subresource or "", resource=args.resource or "",
        old=old, dry_run=args.dry_run,
    )  # fmt: skip
    return build(obj, args.object or args.old_object, circumstances)


def _object(name: str) -> dict[str, Any]:
    from edged.cli.documents import documents
    from edged.cli.policy.requests import is_object

    found = [document for document, _ in documents([name]) if document is not None]
    if len(found) != 1 or not is_object(found[0]):
        raise ConfigError(f"{name}: must hold one Kubernetes object (with apiVersion and kind)")
    return found[0]


def _metadata(args: argparse.Namespace) -> tuple[str, Metadata]:
    """(the module's URL, what it says of itself)."""
    import trio

    return trio.run(_find, args)


async def _find(args: argparse.Namespace) -> tuple[str, Metadata]:
    from pathlib import Path

    from edged.cli.policy.sources import metadata_of, module_file, module_url
    from edged.cli.tool_config import tool_config, with_registry
    from edged.registry.modules import Modules
    from edged.telemetry.logs import Logger

    config = with_registry(tool_config(args.config), args)
    modules = Modules(config.registry, Path(config.node.state_dir), Logger())
    path = await module_file(args.module, config, modules)
    stored = next((each.url for each in modules.store.items() if each.path == path), "")
    return stored or module_url(args.module, Path.cwd()), metadata_of(path)


def policy_name(title: str) -> str:
    """A DNS name of a title."""
    import re

    return re.sub(r"[^a-z0-9.-]+", "-", title.lower()).strip("-.") or "policy"


def _name(args: argparse.Namespace, url: str, metadata: Metadata) -> str:
    from edged.cli.policy import sources

    title = args.title or metadata.annotations.get(f"{PREFIX}title") or sources.policy_name(url)
    return policy_name(str(title))


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    from edged.cli.policy.sources import read_settings

    return read_settings(args.settings_path, args.settings_json) or {}


def _needs_grants(args: argparse.Namespace, metadata: Metadata) -> bool:
    """Whether what it reads is granted; raises ConfigError where it would be left out in silence."""
    if metadata.context_aware and not args.allow_context_aware:
        kinds = ", ".join(f"{each['apiVersion']} {each['kind']}" for each in metadata.context_aware)
        raise ConfigError(f"the policy reads {kinds} of the cluster: --allow-context-aware grants it that")
    return bool(metadata.context_aware)


def _entry(args: argparse.Namespace) -> dict[str, Any]:
    from edged.cli.policy import condition_notes

    url, metadata = _metadata(args)
    condition_notes.tell(metadata, "module_conditions = false")
    entry: dict[str, Any] = {"name": _name(args, url, metadata), "module": url}
    if metadata.mutating:
        entry["allowed_to_mutate"] = True
    if settings := _settings(args):
        entry["settings"] = settings
    entry["rules"] = [dict(rule) for rule in metadata.rules]
    if _needs_grants(args, metadata):
        entry["context_aware"] = [dict(each) for each in metadata.context_aware]
    capabilities = list(metadata.host_capabilities or ())
    if metadata.host_capabilities is None and metadata.context_aware:
        capabilities = ["kubernetes/*"]
    if capabilities:
        entry["host_capabilities"] = capabilities
    if not metadata.background_audit:
        entry["background_audit"] = False
    return entry


def _manifest(args: argparse.Namespace) -> dict[str, Any]:
    from edged.admission.resources.kinds import GROUP, KINDS, VERSION
    from edged.admission.resources.validation import MODULE_CONDITIONS
    from edged.cli.policy import condition_notes

    url, metadata = _metadata(args)
    kind, name = KINDS[args.type], _name(args, url, metadata)
    if not kind.is_group:
        condition_notes.tell(metadata, f'the annotation {MODULE_CONDITIONS}: "false"')
    made: dict[str, Any] = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind.kind, "metadata": {"name": name}}
    if kind.namespaced:
        made["metadata"]["namespace"] = args.namespace
    kept = {key: value for key, value in metadata.annotations.items() if key in (
        f"{PREFIX}severity", f"{PREFIX}category", f"{PREFIX}title", f"{PREFIX}version")}  # fmt: skip
    if kept:
        made["metadata"]["annotations"] = kept
    module: dict[str, Any] = {"module": url, "settings": _settings(args)}
    if metadata.context_aware and kind.namespaced:
        raise ConfigError(f"the policy reads the cluster, which no {kind.kind} may do: use a cluster-wide kind")
    if _needs_grants(args, metadata):
        module["contextAwareResources"] = [dict(each) for each in metadata.context_aware]
    spec: dict[str, Any] = {"policyServer": args.policy_server, "mode": "protect"}
    rules = [dict(rule) for rule in metadata.rules]
    if not rules:
        print("edged: note: the metadata has no rules; fill in spec.rules, which must not be empty", file=sys.stderr)
    if kind.is_group:
        member = name.replace("-", "_").replace(".", "_")
        member = member if member[0].isalpha() else f"p_{member}"
        spec |= {"policies": {member: module}, "expression": f"{member}()", "message": f"rejected by {name}"}
    else:
        spec |= {**module, "mutating": metadata.mutating}
    made["spec"] = {**spec, "rules": rules, "backgroundAudit": metadata.background_audit}
    return made


def _vap(args: argparse.Namespace) -> int:
    from edged.cli.policy import vap_shapes
    from edged.cli.policy.vap import converted

    policies = _of_kind([args.policy], vap_shapes.POLICY)
    if len(policies) > 1:
        raise ConfigError(f"{args.policy}: must hold one {vap_shapes.POLICY}, not {len(policies)}")
    made = converted(policies[0], _of_kind(args.binding, vap_shapes.BINDING), args.cel_policy)
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    if len(made.objects) == 1:
        print_data(made.objects[0], args.output)
    else:
        print_documents(made.objects, args.output)
    return 0


def _of_kind(names: list[str], kind: str) -> list[tuple[object, str]]:
    """The objects of the kind, and where they are, in files that may hold others too. What is no object, or a List, is
    not passed over: something of the kind may be meant. Without any of the kind it is all that there is."""
    from edged.cli.documents import documents
    from edged.cli.policy.requests import is_object

    held = list(documents(names))
    if not held:
        raise ConfigError(f"{', '.join(names)}: there is no object in it")
    found = [each for each in held if not is_object(each[0]) or each[0]["kind"] in (kind, "List")]
    return found or held


def _artifacthub(args: argparse.Namespace) -> dict[str, Any]:
    from pathlib import Path

    from edged.cli import documents
    from edged.cli.policy.annotate import read_metadata

    path = args.metadata_path or _first_here(METADATA)
    if path is None:
        raise ConfigError(f"there is no {METADATA[0]} in this folder: name the file with --metadata-path")
    metadata, _ = read_metadata(Path(path))
    asked = args.questions_path or _first_here(QUESTIONS)
    questions = documents.read(Path(asked)).decode(errors="replace") if asked else None
    return artifacthub(metadata, args.package_version, path, questions, time.gmtime())


def _first_here(names: Sequence[str]) -> str | None:
    from pathlib import Path

    return next((name for name in names if Path(name).exists()), None)


def artifacthub(
    metadata: dict[str, Any], version: str | None, where: str, questions: str | None, now: time.struct_time
) -> dict[str, Any]:
    """The package file. Raises ConfigError with the annotations that are missing."""
    import json

    annotations = metadata.get("annotations") or {}
    version = version or annotations.get(f"{PREFIX}version")
    needed = {f"{PREFIX}title", f"{PREFIX}description", f"{HUB}displayName"}
    missing = sorted(needed - set(annotations)) + ([] if version else [f"{PREFIX}version (or --version)"])
    if missing:
        raise ConfigError("\n".join(f"{where}: annotations.{key} is missing" for key in missing))
    found: dict[str, Any] = {
        "version": version,
        "name": annotations[f"{PREFIX}title"],
        "displayName": annotations[f"{HUB}displayName"],
        "createdAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
        "description": annotations[f"{PREFIX}description"],
        "license": annotations.get(f"{PREFIX}license"),
        "homeURL": annotations.get(f"{PREFIX}url"),
        "containersImages": _images(annotations, str(version)),
        "keywords": _listed(annotations, f"{HUB}keywords"),
        "links": _links(annotations, str(version)),
        "maintainers": [_maintainer(each) for each in _listed(annotations, f"{PREFIX}author")],
        "annotations": {
            "kubewarden/mutation": str(metadata["mutating"]).lower(),
            "kubewarden/rules": json.dumps(metadata["rules"]),
        },
    }
    if f"{HUB}resources" in annotations:
        found["annotations"]["kubewarden/resources"] = annotations[f"{HUB}resources"]
    if kinds := metadata.get("contextAwareResources"):
        found["annotations"]["kubewarden/contextAwareResources"] = json.dumps(kinds)
    if hidden := annotations.get("io.kubewarden.hidden-ui"):
        found["annotations"]["kubewarden/hidden-ui"] = hidden
    if questions is not None:
        found["annotations"]["kubewarden/questions-ui"] = questions
    return {key: value for key, value in found.items() if value not in (None, [])}


def _listed(annotations: dict[str, str], key: str) -> list[str]:
    """Of a text with commas."""
    return [word.strip() for word in annotations.get(key, "").split(",") if word.strip()]


def _images(annotations: dict[str, str], version: str) -> list[dict[str, str]]:
    """Releases have the version as their tag."""
    url = annotations.get(f"{PREFIX}ociUrl")
    return [{"name": "policy", "image": f"{url}:v{version}"}] if url else []


def _links(annotations: dict[str, str], version: str) -> list[dict[str, str]]:
    """The source, and the module of its release on GitHub."""
    from urllib.parse import quote

    source = annotations.get(f"{PREFIX}source")
    if not source:
        return []
    links = [{"name": "source", "url": source}]
    if source.startswith("https://github.com/"):
        tag = quote(annotations.get("com.github.release.tag") or f"v{version}", safe="")
        links.insert(0, {"name": "policy", "url": f"{source.rstrip('/')}/releases/download/{tag}/policy.wasm"})
    return links


def _maintainer(author: str) -> dict[str, str]:
    name, bracket, mail = author.partition("<")
    if not bracket and "@" in author and " " not in author:
        return {"name": "", "email": author}
    if not bracket or not mail.endswith(">"):
        raise ConfigError(f"annotations.{PREFIX}author: {author!r} is not of the form name <email>")
    return {"name": name.strip().strip('"'), "email": mail[:-1].strip()}
