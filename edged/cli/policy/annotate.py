"""`edged policy annotate`: writes a policy's metadata into its module. The rules are edged/abi/metadata_checks.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli import options
from edged.cli.parsing import Parser
from edged.errors import ConfigError
from edged.json_text import JsonError, dumps, loads

if TYPE_CHECKING:
    from edged.cli.tool_config import ToolConfig

ANNOTATED_BY = "dev.edged.annotate"


def declare(parser: Parser) -> None:
    parser.describe("Checks the metadata, asks the module for its protocol version, and writes a copy of the module "
                    "with the metadata. Older metadata is replaced; every other byte stays the same. An annotated "
                    "module in the file to write is written over. Exit code 0: written; 1: the module does not fit "
                    "the metadata; 2: usage, or the metadata is wrong.",
                    "edged policy annotate -m metadata.yml --output-path policy.wasm built.wasm")
    parser.add_argument("module", metavar="MODULE", help="a .wasm file")
    parser.add_argument("-m", "--metadata-path", metavar="FILE", required=True, help="metadata, YAML or JSON")
    options.output_path(parser, "the file to write")
    options.force(parser)
    parser.add_argument("-u", "--usage-path", metavar="FILE", help="text that tells users of the policy how to use it")
    options.config(parser, "take folders and engine from this edged.toml")
    options.cache_dir(parser)


def run(args: argparse.Namespace) -> int:
    from edged.cli import new_files
    from edged.cli.policy.sources import read_module
    from edged.cli.tool_config import tool_config

    path = Path(args.module)
    module = read_module(path)
    metadata, notes = read_metadata(Path(args.metadata_path), args.usage_path)
    annotated, warnings = annotate(module, metadata, str(path), tool_config(args.config, args.cache_dir))
    new_files.write(Path(args.output_path), annotated, force=args.force, ours=_is_annotated, what="an annotated module")
    for line in [*(f"note: {note}" for note in notes), *(f"warning: {warning}" for warning in warnings)]:
        print(f"edged: {line}", file=sys.stderr)
    return 0


def _is_annotated(content: bytes) -> bool:
    """Of a file that is there: builds annotate the same module again and again."""
    from edged.wasm import binary
    from edged.wasm.compile import METADATA_SECTION
    from edged.wasm.errors import BadModule

    try:
        return content[:4] == binary.MAGIC and binary.custom_section(content, METADATA_SECTION) is not None
    except BadModule:
        return False


def read_metadata(path: Path, usage: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """(the author's metadata, checked; what to tell the author). Raises ConfigError: a line per problem."""
    from edged.abi import metadata_checks
    from edged.cli import documents

    document = _document(path)
    problems = metadata_checks.problems(document)
    if problems or not isinstance(document, dict):
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    metadata = metadata_checks.cleaned(document)
    if (annotations := metadata.get("annotations")) is not None:
        metadata["annotations"] = {**annotations, **_match_conditions(annotations, path)}
    if usage is not None:
        text = documents.read(Path(usage)).decode(errors="replace")
        metadata["annotations"] = {**(metadata.get("annotations") or {}), metadata_checks.USAGE: text}
    return metadata, [f"{path}: {note}" for note in metadata_checks.notes(document)]


def _match_conditions(annotations: dict[str, Any], path: Path) -> dict[str, str]:
    """The annotation with the module's own conditions, where there is one, as JSON: an author may write a list, or text
    in YAML. Raises ConfigError: an author should know at once, while a loaded module is merely asked more often."""
    from edged.abi.metadata import MATCH_CONDITIONS
    from edged.admission.rules import module_conditions

    found = module_conditions.conditions_of(annotations)
    if found.problem:
        raise ConfigError(f"{path}: annotations.{found.problem}")
    written = dumps(module_conditions.own_names(found.conditions)).decode()
    return {MATCH_CONDITIONS: written} if found.conditions else {}


def _document(path: Path) -> object:
    """As kubectl reads YAML, but for fields that hold text. Raises ConfigError."""
    from edged import yaml_text
    from edged.abi import metadata_checks
    from edged.cli import documents

    content = documents.read(path)
    found = [document for document, _ in documents.parsed(content, str(path))]
    if len(found) != 1:
        raise ConfigError(f"{path}: holds {len(found)} documents, metadata is one")
    try:
        return metadata_checks.with_texts(found[0], yaml_text.load(content, rules=yaml_text.TEXT, strict=True))
    except yaml_text.DuplicateKeys as error:
        raise ConfigError(f"{path}: {error}") from error
    except yaml_text.YamlError:  # JSON that is no YAML
        return found[0]


def annotate(module: bytes, metadata: dict[str, Any], name: str, config: ToolConfig) -> tuple[bytes, list[str]]:
    """(the module with its metadata, warnings). Raises GuestError, ConfigError."""
    from edged import __version__
    from edged.abi import metadata as policy_metadata
    from edged.abi import metadata_checks
    from edged.wasm import binary
    from edged.wasm.compile import METADATA_SECTION
    from edged.wasm.errors import BadModule

    module = binary.rename_import_module(module, metadata_checks.JAVY_MODULE, metadata_checks.HOST_MODULE)
    exports = binary.interface(module).exports
    mode = metadata.get("executionMode", policy_metadata.MODES[0])
    if problem := metadata_checks.mode_problem(mode, exports):
        raise BadModule(f"{name}: {problem}")
    found = protocol_version(module, name, config) if mode == "kubewarden-wapc" else "Unknown"
    wanted = metadata.get("protocolVersion", found)
    annotations = {**(metadata.get("annotations") or {}), ANNOTATED_BY: __version__}
    metadata = {**metadata, "protocolVersion": found, "annotations": annotations}
    section = dumps(metadata)
    policy_metadata.parse(section)
    named = [] if mode in ("opa", "gatekeeper") else metadata_checks.capabilities_in(binary.data_strings(module))
    warnings = metadata_checks.capability_warnings(metadata, named)
    if wanted != found:
        warnings.append(f"{name}: its protocol version is {found}, which is written instead of {wanted}")
    return binary.replace_custom_section(module, METADATA_SECTION, section), warnings


def protocol_version(module: bytes, name: str, config: ToolConfig) -> str:
    """What a waPC module says of itself: it is run for that. Raises GuestError."""
    import trio

    return trio.run(_ask_version, module, name, config)


async def _ask_version(module: bytes, name: str, config: ToolConfig) -> str:
    import trio

    from edged.abi.metadata import Metadata
    from edged.admission.config import PolicyConfig
    from edged.admission.host.context import HostServices
    from edged.admission.host.evaluation import call_guest, load_template
    from edged.admission.host.policy import Policy
    from edged.admission.rules.capabilities import Grants
    from edged.cli.policy.evaluator import Lines, open_evaluator
    from edged.errors import GuestError
    from edged.wasm.account import Budget
    from edged.wasm.errors import BadModule

    async with open_evaluator(config) as evaluator:
        budget = Budget(memory_mib=config.engine.memory_limit_mib, cpu_s=config.engine.cpu_budget_ms / 1000)
        policy = Policy(
            PolicyConfig(name=name, module="file:///"), b"{}", Grants(), config.engine.wall_timeout_s, budget,
            metadata=Metadata(),
        )  # fmt: skip
        loaded = await evaluator.compiler.load_bytes(module, name)
        policy.template = await load_template(loaded, "kubewarden-wapc", budget)
        services = HostServices(name, "", Grants(), None, Lines())
        deadline = trio.current_time() + policy.timeout_s
        try:
            reply = loads(await call_guest(policy, services, b"protocol_version", (), deadline))
        except (GuestError, JsonError) as error:
            raise BadModule(f"{name}: asking for its protocol version fails: {error}") from error
    if reply not in ("v1", "Unknown"):
        raise BadModule(f"{name}: its protocol version is {reply!r}, neither v1 nor Unknown")
    return str(reply)
