"""Modules in registries and in the local store: operations of `edged module` and `edged policy`, with kwctl's names.

The store is the daemon's (`modules` in its state directory), so modules that are pulled or loaded here are there when
it starts. Results go to stdout, progress to stderr. Called by cli/module.py and cli/policy.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edged.cli import from_kwctl, options
from edged.cli.parsing import Declare, Parser
from edged.cli.progress import Progress, progress, told_fetching
from edged.errors import ConfigError, EdgedError, PeerError, did_you_mean

if TYPE_CHECKING:
    from edged.abi.metadata import Metadata
    from edged.registry.modules import Modules
    from edged.registry.store import Store, Stored

_FEWEST_DIGITS = 4  # of a digest, to name a module by


def operations(noun: str) -> dict[str, tuple[str, Declare]]:
    """For Parser.commands. `noun`: "policy" (a push checks the metadata) or "module"."""
    many = "policies" if noun == "policy" else "modules"
    in_store = f"its URL, or the first digits of its SHA-256 (edged {noun} list)"
    table: dict[str, tuple[str, Callable[[Parser, str, str], None]]] = {
        "pull": (f"fetch a {noun} into the local store", _declare_pull),
        "push": (f"publish a {noun} in a registry and print the reference that pins it", _declare_push),
        "save": (f"write {many} of the local store into a tar.gz", _declare_save),
        "load": ("add what an archive holds to the local store (kwctl's archives, too)", _declare_load),
        "digest": (f"print the reference that pins a {noun} of a registry; nothing is fetched", _declare_digest),
        "list": ("list the local store", _declare_list),
        "rm": (f"remove a {noun} from the local store", _declare_rm),
    }

    def bound(declare: Callable[[Parser, str, str], None]) -> Declare:
        return lambda parser: declare(parser, noun, in_store)

    return {name: (summary, bound(declare)) for name, (summary, declare) in table.items()}


def _declare_pull(parser: Parser, noun: str, in_store: str) -> None:
    parser.describe(f"Fetches a {noun} into the local store. One that is there under a digest or a version is not "
                    f"fetched again.",
                    f"edged {noun} pull registry://ghcr.io/kubewarden/policies/pod-privileged:v1.0.0")
    parser.add_argument("uri", metavar="URL", help="registry://HOST/REPOSITORY[:TAG][@DIGEST] or https://...; without "
                                                   "a scheme: registry://")
    parser.elsewhere(from_kwctl.SIGNATURES)
    options.output_path(parser, "write it there instead; -: standard output", required=False)
    options.force(parser)
    _store_options(parser)
    _network_options(parser)


def _declare_push(parser: Parser, noun: str, in_store: str) -> None:
    parser.describe(f"Publishes a {noun} in a registry and prints the reference that pins it.",
                    f"edged {noun} push policy.wasm registry://registry.example.com/policies/mine:v1")
    parser.add_argument("module", metavar="MODULE", help=f"a file, or {in_store}")
    parser.add_argument("uri", metavar="URL", help="registry://HOST/REPOSITORY[:TAG]")
    if noun == "policy":
        parser.add_argument("-f", "--force", action="store_true", help="push it even if it has no metadata")
    options.output(parser, "text", "json", "yaml")
    _store_options(parser)
    _network_options(parser)


def _declare_save(parser: Parser, noun: str, in_store: str) -> None:
    parser.describe("Writes modules of the local store into a tar.gz, for nodes without a network.",
                    f"edged {noun} save --output-path modules.tar.gz 3fa9c1d2")
    parser.add_argument("module", metavar="MODULE", nargs="+", help=in_store)
    options.output_path(parser, "the archive to write", old="--output")
    options.force(parser)
    _store_options(parser)


def _declare_load(parser: Parser, noun: str, in_store: str) -> None:
    parser.describe("Adds what an archive holds to the local store. Archives of `kwctl save` work, too.",
                    f"edged {noun} load -f modules.tar.gz")
    parser.add_argument("-f", "--filename", "-i", "--input", metavar="FILE", dest="input", required=True,
                        help="the archive to read")
    _store_options(parser)


def _declare_digest(parser: Parser, noun: str, in_store: str) -> None:
    parser.describe(f"Prints the reference that pins a {noun} of a registry. Nothing is fetched.",
                    f"edged {noun} digest registry://registry.example.com/policies/no-root:v1")
    parser.add_argument("uri", metavar="URL", help="registry://HOST/REPOSITORY[:TAG]")
    _store_options(parser)
    _network_options(parser)


def _declare_list(parser: Parser, noun: str, in_store: str) -> None:
    parser.describe("Lists the local store.", f"edged {noun} list", f"edged {noun} list -o name")
    options.output(parser, "table", "wide", "json", "yaml", "name")
    _store_options(parser)


def _declare_rm(parser: Parser, noun: str, in_store: str) -> None:
    parser.describe(f"Removes a {noun} from the local store.", f"edged {noun} rm 3fa9c1d2")
    parser.add_argument("module", metavar="MODULE", help=in_store)
    _store_options(parser)


def _store_options(parser: Parser) -> None:
    options.config(parser, "take [registry] and [node] state_dir from this configuration file")
    options.store(parser)


def _network_options(parser: Parser) -> None:
    options.registry(parser)
    options.quiet(parser)


def run(args: argparse.Namespace, noun: str) -> int:
    modules = _modules(args)
    if args.operation in ("pull", "push", "digest"):
        import trio

        return trio.run(_remote, modules, args, noun)
    return {"save": _save, "load": _load, "list": _list, "rm": _rm}[args.operation](modules.store, args, noun)


def _modules(args: argparse.Namespace) -> Modules:
    """Raises ConfigError."""
    from edged.cli.tool_config import tool_config, with_registry
    from edged.registry.modules import Modules
    from edged.registry.store import Store
    from edged.telemetry.logs import Logger, LogStyle

    config = tool_config(args.config)
    if hasattr(args, "sources_path"):
        config = with_registry(config, args)
    modules = Modules(config.registry, Path(config.node.state_dir), Logger(LogStyle(level="warning")))
    if args.store:
        modules.store = Store(Path(args.store))
    return modules


# --- with the network


async def _remote(modules: Modules, args: argparse.Namespace, noun: str) -> int:
    url = _url(args.uri)
    operation = {"pull": _pull, "push": _push, "digest": _digest}[args.operation]
    try:
        with progress(show=not args.quiet) as say:
            print_result = await operation(modules, url, args, noun, say)
    except PeerError as error:
        raise PeerError(f"{error}{_next_step(error, url)}") from error
    print_result()
    return 0


def _url(text: str) -> str:
    """A module's URL as people write it: without a scheme it is a registry's. Raises ConfigError."""
    url = text if "://" in text else f"registry://{text}"
    scheme = url.partition("://")[0]
    if scheme not in ("registry", "https"):
        from edged.registry.config import meant

        use = meant(url) or "; use registry://HOST/REPOSITORY[:TAG] or https://HOST/PATH"
        raise ConfigError(f"{text}: {scheme}:// is not fetched{use}")
    return url


def _next_step(error: PeerError, url: str) -> str:
    """What to do about it, to be added to the message; "" where the message says all."""
    from edged.registry.http import Unreachable
    from edged.registry.oci import Rejected

    host = url.partition("://")[2].partition("/")[0]
    if isinstance(error, Unreachable):
        return (
            f". Check the name {host} and the network. HTTPS_PROXY names a proxy; the file of --sources-path names "
            "hosts without TLS and CAs (docs/registries.md)"
        )
    if isinstance(error, Rejected) and error.status in (401, 403):
        return f". Log in with `docker login {host}`, or name the folder of a config.json (--docker-config-json-path)"
    if isinstance(error, Rejected) and error.status == 404:
        return ". Check the repository and the tag: the registry has neither under this name, or wants you to log in"
    return ""


async def _pull(modules: Modules, url: str, args: argparse.Namespace, noun: str, say: Progress) -> Callable[[], None]:
    from edged.registry.download import Download
    from edged.registry.origin import TRUSTED
    from edged.registry.store import is_moving

    modules.store.path(url)  # report an invalid URL before any request
    if args.output_path not in (None, "-"):
        options.check_new(Path(args.output_path), args)
    known = await modules.kept(url)
    told = partial(told_fetching, say, url)
    if known is not None and not is_moving(url):
        if not args.quiet:
            print(f"edged: {url} is in the store; it was not fetched again", file=sys.stderr)
    else:
        say.begin(f"asking for {url}")
        known = None
    if args.output_path is None:
        if known is None:
            with modules.store.incoming(url) as download:
                await modules.fetch(url, download, TRUSTED, told)
        return lambda: print(modules.store.path(url))
    with _output(args.output_path) as file:
        if known is None:
            await modules.fetch(url, Download(file), TRUSTED, told)
        else:
            file.write(known.read_bytes())
    return lambda: None


@contextmanager
def _output(name: str) -> Iterator[BinaryIO]:
    """A file that is written complete or not at all; - is standard output. Raises ConfigError."""
    from edged.process.files import written

    if name == "-":
        buffer = io.BytesIO()
        yield buffer
        sys.stdout.buffer.write(buffer.getvalue())
        return
    try:
        with written(Path(name), 0o644) as file:
            yield file
    except OSError as error:
        raise ConfigError(f"cannot write {name}: {error.strerror}") from error


async def _push(modules: Modules, url: str, args: argparse.Namespace, noun: str, say: Progress) -> Callable[[], None]:
    from edged.cli.output import print_data, size

    reference = _registry_url(url)
    if reference.is_pinned:
        raise ConfigError(f"{url}: what is pushed gets its digest from the registry; name a tag instead of a digest, "
                          "or nothing")
    path = _file_or_stored(modules.store, args.module)
    binary = _read(path)
    annotations = _annotations(binary, path, required=noun == "policy" and not args.force)
    say.begin(f"sending {path} ({size(len(binary))}) to {reference.host}")
    digest = await modules.ask(reference, lambda registry, host: registry.push(reference, binary, annotations))
    immutable = str(reference.at(digest))  # as kwctl writes it: programs that sign images take it
    url = f"registry://{immutable}"
    if args.output != "text":
        return lambda: print_data({"immutable_ref": immutable, "url": url}, args.output)
    return lambda: print(url)


async def _digest(modules: Modules, url: str, args: argparse.Namespace, noun: str, say: Progress) -> Callable[[], None]:
    reference = _registry_url(url)
    say.begin(f"asking {reference.host}")
    found = await modules.ask(reference, lambda registry, host: registry.manifest(reference, host))
    return lambda: print(f"registry://{reference.at(found.digest)}")


def _registry_url(url: str) -> Any:
    from edged.registry.config import meant
    from edged.registry.reference import parse_url

    if not url.startswith("registry://"):
        raise ConfigError(f"{url}: must be a registry:// URL{meant(url)}")
    return parse_url(url)


def _annotations(binary: bytes, path: Path, *, required: bool) -> dict[str, str]:
    """Annotations for the manifest: those of the metadata that have one line, and the source under OCI's own name, by
    which bots find updates. As kwctl does."""
    metadata = _metadata(binary, path)
    if metadata is None:
        if required:
            raise EdgedError(f"{path} has no metadata: `edged policy annotate` adds it; --force publishes it without")
        return {}
    texts = {key: value.strip() for key, value in metadata.annotations.items() if isinstance(value, str)}
    found = {key: value for key, value in texts.items() if len(value.splitlines()) <= 1}
    source = found.get("io.kubewarden.policy.source")
    return {"org.opencontainers.image.source": source, **found} if source else found


def _metadata(binary: bytes, path: Path) -> Metadata | None:
    """None where there is none. Raises EdgedError."""
    from edged.abi import metadata
    from edged.wasm.binary import custom_section
    from edged.wasm.compile import METADATA_SECTION

    try:
        section = custom_section(binary, METADATA_SECTION)
        return None if section is None else metadata.parse(section)
    except EdgedError as error:
        raise EdgedError(f"{path}: {error}") from error


# --- the local store


def _list(store: Store, args: argparse.Namespace, noun: str) -> int:
    from edged.cli.output import print_data, print_table, size, yes

    entries = [_entry(stored, noun) for stored in store.items()]
    if args.output == "name":
        for entry in entries:
            print(entry["uri"])
    elif args.output not in ("table", "wide"):
        print_data(entries, args.output)
    elif noun == "policy":
        rows = [(e["uri"], yes(e["mutating"]), yes(e["contextAware"]), _digest_of(e, args.output), size(e["size"]))
                for e in entries]  # fmt: skip
        print_table(("POLICY", "MUTATING", "CONTEXT AWARE", "SHA-256", "SIZE"), rows, args.output,
                    only_wide=("MUTATING", "CONTEXT AWARE"))
    else:
        print_table(("MODULE", "SHA-256", "SIZE"),
                    [(e["uri"], _digest_of(e, args.output), size(e["size"])) for e in entries], args.output)
    return 0


def _digest_of(entry: dict[str, Any], output: str) -> str:
    return str(entry["sha256"]) if output == "wide" else str(entry["sha256"][:12])


def _entry(stored: Stored, noun: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "uri": stored.url,
        "sha256": stored.digest(),
        "size": stored.path.stat().st_size,
        "path": str(stored.path),
    }
    if noun == "policy":
        try:
            metadata = _metadata(stored.path.read_bytes(), stored.path)
        except EdgedError:  # the store also has modules whose metadata cannot be read
            metadata = None
        entry["mutating"] = metadata.mutating if metadata is not None else None
        entry["contextAware"] = bool(metadata.context_aware) if metadata is not None else None
    return entry


def _rm(store: Store, args: argparse.Namespace, noun: str) -> int:
    from edged.process.files import remove

    stored = _find(store, args.module)
    if not store.remove(stored.url):  # of a URL with a query, the name has only a digest
        remove(stored.path)
    print(f"removed {stored.url}")
    return 0


def _save(store: Store, args: argparse.Namespace, noun: str) -> int:
    from edged.cli import module_archive

    options.check_new(Path(args.output_path), args)
    with progress() as say:
        chosen = [_find(store, name) for name in args.module]
        module_archive.save(store, chosen, Path(args.output_path), say)
    return 0


def _load(store: Store, args: argparse.Namespace, noun: str) -> int:
    from edged.cli import module_archive

    with progress() as say:
        urls = module_archive.load(store, Path(args.input), say)
    for url in urls:
        print(url)
    return 0


def _find(store: Store, name: str) -> Stored:
    """By URL, or by the first digits of the file's SHA-256. Raises EdgedError."""
    wanted = name if "://" in name else f"registry://{name}"
    stored = list(store.items())
    for path in _paths(store, wanted):
        for entry in stored:
            if entry.path == path:
                return entry
    digits = name.removeprefix("sha256:").lower()
    if len(digits) < _FEWEST_DIGITS or not set(digits) <= set("0123456789abcdef"):
        near = did_you_mean(name, [entry.url.removeprefix("registry://") for entry in stored])
        raise EdgedError(f"{name} is not in {store.root}{near or '; `edged module list` shows what is'}")
    found = [entry for entry in stored if entry.digest().startswith(digits)]
    if len(found) > 1:
        raise EdgedError(f"{name} may be any of {', '.join(entry.url for entry in found)}: give more digits or the URL")
    if not found:
        raise EdgedError(f"no module in {store.root} has a SHA-256 that begins with {digits}; `edged module list` shows"
                         " those that are there")
    return found[0]


def _paths(store: Store, url: str) -> list[Path]:
    try:
        return [store.path(url)]
    except ConfigError:  # digits, say
        return []


def _file_or_stored(store: Store, name: str) -> Path:
    if name.startswith("file://"):
        from edged.registry.config import module_path

        return Path(module_path(name))
    return Path(name) if Path(name).is_file() else _find(store, name).path


def _read(path: Path) -> bytes:
    from edged.registry.download import MAGIC

    try:
        binary = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if not binary.startswith(MAGIC):
        raise ConfigError(f"{path} is not a Wasm module")
    return binary
