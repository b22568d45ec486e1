"""`edged policy inspect`: shows a module's metadata, what it needs, and whether edged can load it."""

from __future__ import annotations

import argparse
import hashlib
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from edged.abi.metadata import MATCH_CONDITIONS
from edged.cli import from_kwctl, options
from edged.cli.output import size, yes
from edged.cli.parsing import Parser
from edged.errors import EdgedError
from edged.json_text import loads

if TYPE_CHECKING:
    from edged.cli.policy.evaluator import Evaluator
    from edged.cli.tool_config import ToolConfig
    from edged.wasm.compile import Compiler
    from edged.wasm.module import Module

PREFIX = "io.kubewarden.policy."


class Inspection(TypedDict):
    """What is told of a module; `-o json` prints it as it is."""

    module: str
    digest: str
    size: int
    metadata: dict[str, Any] | None
    matchConditions: list[dict[str, str]]
    mode: str | None
    problem: str | None
    warnings: list[str]
    imports: list[str]
    exports: list[str]
    namedCapabilities: list[str]
    builtins: list[str] | None
    compiledSize: int | None
    image: str | None


def declare(parser: Parser) -> None:
    parser.describe("Shows a module's metadata, what it needs, and whether edged can load it. Exit code 0: it can; 1: "
                    "it cannot, and why; 2: usage.",
                    "edged policy inspect pod-privileged.wasm",
                    "edged policy inspect registry://registry.example.com/policies/no-root:v1")
    parser.add_argument("module", metavar="MODULE", help="a file, a URL, or the beginning of a digest in the store")
    parser.elsewhere(from_kwctl.INSPECT)
    options.output(parser, "text", "yaml", "json")
    parser.add_argument("--metadata-only", action="store_true",
                        help="print only the metadata, in the format of annotate")  # fmt: skip
    parser.add_argument("--no-compile", action="store_true", help="do not try to load it")
    options.config(parser, "take folders and engine from this edged.toml")
    options.cache_dir(parser)
    options.registry(parser)


def run(args: argparse.Namespace) -> int:
    import trio

    from edged.cli.output import print_data
    from edged.cli.tool_config import tool_config, with_registry

    found = trio.run(_inspect, args, with_registry(tool_config(args.config, args.cache_dir), args))
    if args.metadata_only:
        print_data(found["metadata"], "yaml" if args.output == "text" else args.output)
    elif args.output == "text":
        for line in told(found):
            print(line)
    else:
        print_data(found, args.output)
    return 1 if found["problem"] else 0


async def _inspect(args: argparse.Namespace, config: ToolConfig) -> Inspection:
    from edged.cli.policy.evaluator import open_evaluator
    from edged.cli.policy.sources import module_file, read_module

    async with open_evaluator(config) as evaluator:
        path = await module_file(args.module, config, evaluator.modules)
        content = read_module(path)
        found = examine(content, str(path))
        mode = found["mode"]
        if not args.no_compile and mode is not None and not found["problem"]:
            await _load(evaluator, content, mode, found)
    return found


def examine(content: bytes, name: str) -> Inspection:
    """Everything that is known without compiling. Raises BadModule if it is not a module."""
    from edged.abi import metadata as policy_metadata
    from edged.abi import metadata_checks
    from edged.admission.rules import module_conditions
    from edged.wasm import binary
    from edged.wasm.compile import METADATA_SECTION

    interface = binary.interface(content)
    section = binary.custom_section(content, METADATA_SECTION)
    found: Inspection = {
        "module": name,
        "digest": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "metadata": None,
        "matchConditions": [],
        "mode": None,
        "problem": None,
        "warnings": [],
        "imports": sorted({f"{each.module}.{each.name}" for each in interface.imports}),
        "exports": sorted(interface.exports),
        "namedCapabilities": [],
        "builtins": None,
        "compiledSize": None,
        "image": None,
    }
    try:
        metadata = policy_metadata.parse(section)
        found["mode"] = metadata.execution_mode
        found["metadata"] = loads(section) if section is not None else None
        conditions = module_conditions.conditions_of(metadata.annotations)
        found["matchConditions"] = module_conditions.own_names(conditions.conditions)
        if conditions.problem:
            found["warnings"].append(f"annotations.{conditions.problem}; the policy is asked about everything")
        policy_metadata.check_loadable(metadata, (item.module for item in interface.imports), interface.exports)
        found["problem"] = metadata_checks.mode_problem(metadata.execution_mode, interface.exports) or None
    except EdgedError as error:
        found["problem"] = str(error)
    if found["metadata"] is not None:
        found["warnings"] += metadata_checks.problems(found["metadata"]) + metadata_checks.notes(found["metadata"])
        if not metadata_checks.is_rego(interface.exports):
            found["namedCapabilities"] = metadata_checks.capabilities_in(binary.data_strings(content))
            found["warnings"] += metadata_checks.capability_warnings(found["metadata"], found["namedCapabilities"])
    return found


async def _load(evaluator: Evaluator, content: bytes, mode: str, found: Inspection) -> None:
    """Compile and link it, as the daemon would. Settings are not checked."""
    from edged.admission.host.evaluation import companion_for, load_template
    from edged.admission.host.preinitialization import reason_against_image
    from edged.admission.host.rego_policy import RegoTemplate
    from edged.wasm.account import Budget

    limits = evaluator.config.engine
    budget = Budget(memory_mib=limits.memory_limit_mib, cpu_s=limits.cpu_budget_ms / 1000)
    try:
        companion = companion_for(budget.memory_mib, mode)
        module = await evaluator.compiler.load_bytes(content, found["module"], companion_for=companion)
        found["compiledSize"] = compiled_size(evaluator.compiler, module)
        template = await load_template(module, mode, budget)
    except EdgedError as error:
        found["problem"] = str(error)
        return
    reason = reason_against_image(mode, module)
    found["image"] = f"none: {reason}" if reason else "possible"
    if isinstance(template, RegoTemplate):
        found["builtins"] = sorted(builtin.name for builtin in template.builtins.values())


def compiled_size(compiler: Compiler, module: Module) -> int | None:
    """Bytes of the module's compiled form in the cache."""
    companion = module.merged.companion if module.merged is not None else None
    files = compiler.cache_dir.glob(f"{compiler.key(module.digest, companion)}-*")
    return next((path.stat().st_size for path in files), None)


def told(found: Inspection) -> Iterator[str]:
    """For people."""
    metadata = found["metadata"] or {}
    annotations = dict(metadata.get("annotations") or {})
    usage = annotations.pop(f"{PREFIX}usage", None)
    if found["matchConditions"]:
        annotations.pop(MATCH_CONDITIONS, None)
    for key, value in _facts(found, metadata, annotations):
        yield f"{key + ':':<22}{value}".rstrip()
    for title, lines in _lists(found, metadata, annotations):
        if lines:
            yield f"{title}:"
            yield from (f"  {line}" for line in lines)
    if usage:
        yield "usage:"
        yield from (f"  {line}".rstrip() for line in _plain(usage).splitlines())
    yield f"edged can load it:    {'no: ' + found['problem'] if found['problem'] else 'yes'}"


def _facts(
    found: Inspection, metadata: Mapping[str, object], annotations: dict[str, str]
) -> Iterator[tuple[str, Any]]:
    yield "module", found["module"]
    yield "digest", f"sha256:{found['digest']}"
    yield "size", size(found["size"])
    if found["compiledSize"] is not None:
        yield "compiled", f"{size(found['compiledSize'])} of native code and tables"
    if found["image"] is not None:
        yield "pre-initialised", f"image {found['image']}"
    for key in ("title", "version", "description", "author", "license", "url", "source", "severity", "category"):
        if value := annotations.pop(f"{PREFIX}{key}", None):
            yield key, _plain(value).replace("\n", " ")
    if not metadata:
        yield "metadata", "none"
        return
    yield "mode", found["mode"]
    yield "type", metadata.get("policyType") or "kubernetes"
    yield "protocol version", metadata.get("protocolVersion") or "none"
    yield "mutating", yes(bool(metadata.get("mutating")))
    yield "background audit", yes(bool(metadata.get("backgroundAudit", True)))
    if metadata.get("minimumKubewardenVersion"):
        yield "needs Kubewarden", metadata["minimumKubewardenVersion"]


def _lists(
    found: Inspection, metadata: dict[str, Any], annotations: dict[str, str]
) -> Iterator[tuple[str, list[str]]]:
    yield "rules", [_rule(rule) for rule in metadata.get("rules") or () if isinstance(rule, dict)]
    yield "asked only where", [f"{each['name']}: {_plain(each['expression'])}" for each in found["matchConditions"]]
    kinds = metadata.get("contextAwareResources") or ()
    yield "reads of the cluster", [f"{each.get('apiVersion')} {each.get('kind')}" for each in kinds]
    yield "declares capabilities", list(metadata.get("hostCapabilities") or ())
    yield "names capabilities", found["namedCapabilities"]
    yield "Rego builtins", textwrap.wrap(", ".join(found["builtins"] or ()), 100)
    yield "other annotations", [f"{key}: {_plain(value)}" for key, value in annotations.items()]
    yield "imports", textwrap.wrap(", ".join(found["imports"]), 100)
    yield "exports", textwrap.wrap(", ".join(found["exports"]), 100)
    yield "warnings", found["warnings"]


def _rule(rule: Mapping[str, object]) -> str:
    parts = []
    for key in ("operations", "apiGroups", "apiVersions", "resources"):
        values = rule.get(key)
        texts = [str(value) or '""' for value in values] if isinstance(values, list) else ["?"]
        parts.append(",".join(texts))
    return "{} of {}/{} {}".format(*parts)


def _plain(text: object) -> str:
    """Escapes control characters: a module must not control the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in str(text))
