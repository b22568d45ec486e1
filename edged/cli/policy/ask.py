"""`edged policy run`: asks policies one question and prints the answer that the API server would get.

The daemon's own loader and review code gives the answer (evaluator.py). sources.py finds the policies, requests.py
makes the requests, sessions.py records and replays.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from edged.cli import from_kwctl, options
from edged.cli.output import is_table, print_data, print_table
from edged.cli.parsing import Parser
from edged.errors import ConfigError
from edged.json_text import dumps, loads

if TYPE_CHECKING:
    from edged.admission.config import GroupConfig, PolicyConfig
    from edged.admission.host.policy import Group, Policy
    from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
    from edged.cli.policy.requests import Circumstances
    from edged.cli.policy.sessions import Session
    from edged.cli.policy.sources import Wishes
    from edged.cli.tool_config import ToolConfig

POLICIES = (
    "POLICY is a file, a file://, https:// or registry:// URL, the first digits of a digest in the store, a YAML file "
    "with policy custom resources (all are asked, one after the other), or, with --config, the name of a policy in "
    "that file."
)
MODES = ("kubewarden", "wasi", "opa", "gatekeeper", "kubewarden-wapc", "wapc")
class Result(TypedDict):
    """What a policy said to a request, as it is printed; `response` as the API server would get it."""

    policy: str
    request: str
    object: str
    response: dict[str, Any]


def declare(parser: Parser) -> None:
    parser.describe(
        "Asks policies about a request and prints their answers. Exit code 0: allowed; 1: rejected, or the policy "
        "failed; 2: usage.",
        "edged policy run -f pod.yaml pod-privileged.wasm",
        "kubectl get pod web -o yaml | edged policy run -r - --operation UPDATE my.wasm",
        """edged policy run -r pod.yaml --settings-json '{"labels": []}' policy.wasm""",
        "edged policy run -r review.json --allow-context-aware policy.wasm",
        notes=POLICIES,
    )
    parser.elsewhere(from_kwctl.RUN)
    add_options(parser)
    options.output(parser, "json", "yaml", "table", "wide")
    parser.add_argument("--decode-patch", action="store_true",
                        help="print the patch as JSON (decodedPatch) beside its Base64")  # fmt: skip
    recording = parser.add_mutually_exclusive_group()
    recording.add_argument("--record-host-capabilities-interactions", metavar="FILE", dest="record",
                           help="record the policy's host calls and their answers in FILE; a recording that is there "
                                "is written over, no other file is")  # fmt: skip
    recording.add_argument("--replay-host-capabilities-interactions", metavar="FILE", dest="replay",
                           help="answer host calls from such a recording; neither cluster nor network "
                                "is used")  # fmt: skip


def add_options(parser: Parser) -> None:
    """The options that run and bench share."""
    parser.add_argument("policy", metavar="POLICY", help="see below")
    question = parser.add_argument_group("the request")
    question.add_argument("-f", "--filename", "-r", "--request-path", metavar="FILE", required=True,
                          dest="request_path",
                          help="an AdmissionReview, an AdmissionRequest, or Kubernetes objects; -: stdin")  # fmt: skip
    question.add_argument("--raw", action="store_true", help="the file is any JSON, for policies of type raw")
    question.add_argument("--operation", dest="verb", choices=("CREATE", "UPDATE", "DELETE", "CONNECT"),
                          metavar="VERB", help="CREATE, UPDATE, DELETE or CONNECT; default: CREATE")  # fmt: skip
    question.add_argument("--old-object", metavar="FILE", help="the object before an UPDATE")
    question.add_argument("-n", "--namespace", metavar="NAME", help="namespace of an object that names none")
    question.add_argument("--name", metavar="NAME", help="name of an object that has none")
    question.add_argument("--user", metavar="NAME", help="the user who makes the request")
    question.add_argument("--group", metavar="NAME", action="append", default=[],
                          help="a group of the user; repeatable")  # fmt: skip
    question.add_argument("--subresource", metavar="NAME", help="such as status or exec")
    question.add_argument("--resource", metavar="PLURAL", help="plural of a kind that is not built in")
    question.add_argument("--dry-run", action="store_true", help="make it a request of --dry-run=server")
    policy = parser.add_argument_group("the policy")
    settings = policy.add_mutually_exclusive_group()
    settings.add_argument("-s", "--settings-path", metavar="FILE", help="its settings, YAML or JSON")
    settings.add_argument("--settings-json", metavar="TEXT", help="its settings, YAML or JSON")
    policy.add_argument("-e", "--execution-mode", choices=MODES, metavar="MODE",
                        help=f"use this mode instead of the module's: {', '.join(MODES)}")
    policy.add_argument("--allow-context-aware", action="store_true",
                        help="let the policy read the kinds in its metadata, from the kubeconfig's "
                             "cluster")  # fmt: skip
    policy.add_argument("--allowed-host-capabilities", metavar="PATTERN", action="append", default=[],
                        help="such as oci/v1/verify, oci/* or *; repeatable; default: none")  # fmt: skip
    policy.add_argument("--timeout", metavar="SECONDS", type=options.seconds(3600),
                        help="default: [engine] wall_timeout_s, 2")  # fmt: skip
    add_host_options(parser)


def add_host_options(parser: Parser) -> None:
    """Where things are on this host."""
    host = parser.add_argument_group("this host")
    host.add_argument("--config", metavar="FILE", help=f"an edged.toml, such as {options.DEFAULT_CONFIG}")
    options.cache_dir(host)
    options.registry(host)
    options.kubeconfig(host)


def run(args: argparse.Namespace) -> int:
    import trio

    return trio.run(_run, args)


async def _run(args: argparse.Namespace) -> int:
    import tempfile

    from edged.cli.policy.evaluator import Lines, open_evaluator
    from edged.cli.policy.sources import policies

    config, wished = config_of(args), wishes(args)
    questions = Questions(args)
    replay, record = _sessions(args)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="edged-policy-") as scratch:
        async with open_evaluator(config, cluster=args.allow_context_aware and replay is None) as evaluator:
            found = await policies(args.policy, config, evaluator.modules, wished, Path(scratch))
            named = [each.policy for each in found]
            if not args.allow_context_aware and replay is None:
                refuse_cluster(named)
            lines = Lines()
            loaded = await evaluator.load(named, lines)
            admission = evaluator.admission(loaded, lines, replay, record)
            asked = [(policy.name, questions.of(loaded[policy.name])) for policy in named]
            for note in [*(each.note for each in found if each.note), *_watching(named), *questions.notes]:
                print(f"edged: note: {note}", file=sys.stderr)
            for name, requests in asked:
                for request, where in requests:
                    response = await admission.review(name, request)
                    results.append(_result(name, where, request, response, args.decode_patch))
    if record is not None:
        _write_session(Path(args.record), record)
    _print(results, args.output)
    return 0 if all(result["response"]["allowed"] for result in results) else 1


def _watching(policies: list[PolicyConfig | GroupConfig]) -> list[str]:
    """Notes on the policies whose answers are not what they decide."""
    return [
        f"policy {policy.name} is in mode monitor: it allows all, and only the daemon logs what it would reject"
        for policy in policies
        if policy.mode == "monitor"
    ]


def _sessions(args: argparse.Namespace) -> tuple[Session | None, Session | None]:
    """(what is replayed, what is recorded). Raises ConfigError."""
    if not (args.replay or args.record):
        return None, None
    from edged.cli import new_files
    from edged.cli.policy.sessions import Session, is_recording, load

    if args.record:
        new_files.check(Path(args.record), force=None, ours=is_recording, what="a recording")
    return load(Path(args.replay)) if args.replay else None, Session() if args.record else None


def refuse_cluster(policies: list[PolicyConfig | GroupConfig]) -> None:
    """Raises ConfigError for a configured policy that reads the cluster: without one its answer would differ."""
    from edged.admission.config import GroupConfig

    for policy in policies:
        members = policy.members.values() if isinstance(policy, GroupConfig) else (policy,)
        kinds = sorted({f"{each['apiVersion']} {each['kind']}" for one in members for each in one.context_aware})
        if kinds:
            raise ConfigError(
                f"policy {policy.name} reads {', '.join(kinds)} of the cluster: --allow-context-aware connects to it, "
                "--replay-host-capabilities-interactions FILE answers without one"
            )


def config_of(args: argparse.Namespace) -> ToolConfig:
    """The configuration that policies are run under. Raises ConfigError."""
    from dataclasses import replace

    from edged.cli.tool_config import tool_config, with_registry

    config = with_registry(tool_config(args.config, args.cache_dir), args)
    config = replace(config, kubernetes=options.cluster(args, config.kubernetes))
    timeout = getattr(args, "timeout", None)
    if timeout is not None:
        limits = replace(config.engine, wall_timeout_s=timeout, cpu_budget_ms=max(1, round(timeout * 1000)))
        config = replace(config, engine=limits)
    return config


def wishes(args: argparse.Namespace) -> Wishes:
    """Raises ConfigError."""
    from edged.cli.policy.sources import Wishes, read_settings

    return Wishes(
        settings=read_settings(args.settings_path, args.settings_json),
        mode=args.execution_mode or "",
        context_aware=args.allow_context_aware,
        host_capabilities=tuple(args.allowed_host_capabilities),
        timeout_s=args.timeout,
    )


class Questions:
    """What the file asks. A policy of type raw gets each document as it is, as with `--raw`, which is known only when
    the policy is loaded. `notes`: what was made of the file that is not in it."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Reads the file. Raises ConfigError."""
        from edged.cli.documents import documents

        self._raw: bool = args.raw
        self._path = "stdin" if args.request_path == "-" else args.request_path
        self._given = circumstances(args)
        self._documents = list(documents([args.request_path], nulls=True))
        self.notes: list[str] = []
        if not self._documents:
            raise ConfigError(f"{self._path}: holds nothing")

    def of(self, policy: Policy | Group) -> list[tuple[AdmissionRequest, str]]:
        """(request, where it is from) for one policy. Raises ConfigError."""
        metadata = getattr(policy, "metadata", None)
        is_raw = metadata is not None and metadata.policy_type == "raw"
        if is_raw and not self._raw:
            self._note(f"policy {policy.name} is of type raw: it is asked about {self._path} as it is")
        return self._requests(raw=self._raw or is_raw)

    def _requests(self, *, raw: bool) -> list[tuple[AdmissionRequest, str]]:
        from edged.cli.policy.requests import objects_of, request_and_added

        if raw:
            return [(request_and_added(document, where, raw=True)[0], where) for document, where in self._documents]
        pairs = [pair for each in self._documents for pair in objects_of(*each) if pair[0] is not None]
        if not pairs:
            raise ConfigError(f"{self._path}: holds nothing")
        made = []
        for document, where in pairs:
            request, added = request_and_added(document, where, self._given)
            if added:
                self._note(f"{where}: the request lacks {', '.join(added)}; edged fills in what the object tells")
            made.append((request, where))
        return made

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def circumstances(args: argparse.Namespace) -> Circumstances:
    """From the options. Raises ConfigError."""
    from edged.cli.policy.requests import USUAL, Circumstances

    return Circumstances(
        operation=args.verb or USUAL.operation,
        namespace=args.namespace or "",
        name=args.name or "",
        user=args.user or USUAL.user,
        groups=tuple(args.group) or USUAL.groups,
        subresource=args.subresource or "",
        resource=args.resource or "",
        old=_old_object(args.old_object, args.verb),
        dry_run=args.dry_run,
    )


def _old_object(name: str | None, operation: str | None) -> dict[str, Any] | None:
    from edged.cli.documents import documents
    from edged.cli.policy.requests import is_object

    if name is None:
        return None
    if operation not in ("UPDATE", "DELETE"):
        raise ConfigError("--old-object is for --operation UPDATE or DELETE")
    found = [(document, where) for document, where in documents([name]) if document is not None]
    if len(found) != 1 or not is_object(found[0][0]):
        raise ConfigError(f"{name}: --old-object needs one Kubernetes object (with apiVersion and kind)")
    return found[0][0]


def _result(
    policy: str, where: str, request: AdmissionRequest, response: AdmissionResponse, decode: bool
) -> Result:
    shown = response.to_dict()
    if decode and response.patch:
        shown["decodedPatch"] = response.patch
    return {"policy": policy, "request": where, "object": _object_name(request), "response": shown}


def _object_name(request: AdmissionRequest) -> str:
    place = "/".join(part for part in (request.text("namespace"), request.text("name")) if part)
    return f"{request.kind} {place}".strip()


def _print(results: list[Result], output: str) -> None:
    if is_table(output):
        _print_table(results, output)
    elif len(results) == 1:
        print_data(results[0]["response"], output)
    else:
        print_data(results, output)


def _print_table(results: list[Result], output: str) -> None:
    import base64

    rows: list[tuple[Any, ...]] = []
    for result in results:
        response = result["response"]
        status = response.get("status") or {}
        verdict = "allowed" if response["allowed"] else "rejected"
        rows.append((result["policy"], result["object"], verdict, status.get("code"), status.get("message")))
        rows += [("", "", "warning", "", text) for text in response["warnings"] or ()]
        operations = loads(base64.b64decode(response["patch"])) if "patch" in response else ()
        rows += [("", "", "patch", "", dumps(operation).decode()) for operation in operations]
    print_table(("POLICY", "OBJECT", "VERDICT", "CODE", "MESSAGE"), rows, output)


def _write_session(path: Path, session: Session) -> None:
    from edged.cli import new_files
    from edged.cli.policy.sessions import dump, is_recording

    new_files.write(path, dump(session).encode(), force=None, ours=is_recording, what="a recording")
    print(f"{len(session.exchanges)} exchanges written to {path}", file=sys.stderr)
