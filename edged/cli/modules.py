"""Modules in registries and in the local store: operations of `edged module` and `edged policy`, with kwctl's names.

The store is the daemon's (`modules` in its state directory), so modules that are pulled or loaded here are there when
it starts. Results go to stdout, progress to stderr. Called by cli/module.py and cli/policy/registry.py.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edged.errors import ConfigError, EdgedError

if TYPE_CHECKING:
    from edged.abi.metadata import Metadata
    from edged.cli.subparsers import Subparsers
    from edged.registry.modules import Modules
    from edged.registry.store import Store, Stored

_FEWEST_DIGITS = 4  # of a digest, to name a module by


def declare(operations: Subparsers, noun: str) -> None:
    """`noun`: "policy" (a push checks the metadata) or "module"."""
    where = "registry://HOST/REPOSITORY[:TAG][@DIGEST] or https://..."
    in_store = f"its URL, or the first digits of its SHA-256 (edged {noun} list)"

    pull = _operation(operations, "pull", f"fetch a {noun} into the local store")
    pull.add_argument("uri", metavar="URL", help=f"{where}; without a scheme: registry://")
    pull.add_argument("-o", "--output-path", metavar="FILE", help="write it there instead; -: standard output")
    _network_options(pull)

    push = _operation(operations, "push", f"publish a {noun} in a registry and print the reference that pins it")
    push.add_argument("module", metavar="MODULE", help=f"a file, or {in_store}")
    push.add_argument("uri", metavar="URL", help="registry://HOST/REPOSITORY[:TAG]")
    if noun == "policy":
        push.add_argument("-f", "--force", action="store_true", help="push it even if it has no metadata")
    push.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: text")
    _network_options(push)

    save = _operation(
        operations, "save", f"write {'policies' if noun == 'policy' else 'modules'} of the local store into a tar.gz"
    )
    save.add_argument("module", metavar="MODULE", nargs="+", help=in_store)
    save.add_argument("-o", "--output", metavar="FILE", required=True, help="the archive to write")

    load = _operation(operations, "load", "add what an archive holds to the local store (kwctl's archives, too)")
    load.add_argument("-i", "--input", metavar="FILE", required=True, help="the archive to read")

    digest = _operation(
        operations, "digest", f"print the reference that pins a {noun} of a registry; nothing is fetched"
    )
    digest.add_argument("uri", metavar="URL", help="registry://HOST/REPOSITORY[:TAG]")
    _network_options(digest)

    listing = _operation(operations, "list", "list the local store")
    listing.add_argument("-o", "--output", choices=("table", "json", "yaml"), default="table", help="default: table")

    rm = _operation(operations, "rm", f"remove a {noun} from the local store")
    rm.add_argument("module", metavar="MODULE", help=in_store)


def _operation(operations: Subparsers, name: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = operations.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:]
    )
    parser.add_argument(
        "--config", metavar="FILE", help="take [registry] and [node] state_dir from this configuration file"
    )
    parser.add_argument("--store", metavar="DIR", help="the local store; default: modules in [node] state_dir")
    return parser


def _network_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sources-path", metavar="FILE", help="insecure hosts, authorities, proxies; default: [registry] sources"
    )
    parser.add_argument(
        "--docker-config-json-path",
        metavar="DIR",
        help="folder of config.json; default: [registry] docker_config, $DOCKER_CONFIG, ~/.docker",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def run(args: argparse.Namespace, noun: str) -> int:
    modules = _modules(args)
    if args.operation in ("pull", "push", "digest"):
        import trio

        return trio.run(_remote, modules, args, noun)
    return {"save": _save, "load": _load, "list": _list, "rm": _rm}[args.operation](modules.store, args, noun)


def _modules(args: argparse.Namespace) -> Modules:
    """Raises ConfigError."""
    from dataclasses import replace

    from edged.cli.policy.evaluator import tool_config
    from edged.registry.modules import Modules
    from edged.registry.store import Store
    from edged.telemetry.logs import Logger, LogStyle

    config = tool_config(args.config)
    given = {
        "sources": getattr(args, "sources_path", None),
        "docker_config": getattr(args, "docker_config_json_path", None),
    }
    changes: dict[str, Any] = {key: str(Path(value).absolute()) for key, value in given.items() if value}
    registry = replace(config.registry, **changes)
    modules = Modules(registry, Path(config.node.state_dir), Logger(LogStyle(level="warning")))
    if args.store:
        modules.store = Store(Path(args.store))
    return modules


# --- with the network


async def _remote(modules: Modules, args: argparse.Namespace, noun: str) -> int:
    url = args.uri if "://" in args.uri else f"registry://{args.uri}"
    operation = {"pull": _pull, "push": _push, "digest": _digest}[args.operation]
    await operation(modules, url, args, noun)
    return 0


async def _pull(modules: Modules, url: str, args: argparse.Namespace, noun: str) -> None:
    from edged.registry.download import Download
    from edged.registry.modules import TRUSTED
    from edged.registry.store import is_moving

    modules.store.path(url)  # report an invalid URL before any request
    known = modules.store.find(url)
    fetch = known is None or is_moving(url)
    progress = _Progress(url, show=not args.quiet)
    try:
        if args.output_path is None:
            if fetch:
                with modules.store.incoming(url) as download:
                    await modules.fetch(url, download, TRUSTED, progress)
            print(modules.store.path(url))
            return
        with _output(args.output_path) as file:
            if known is None or fetch:
                await modules.fetch(url, Download(file), TRUSTED, progress)
            else:
                file.write(known.read_bytes())
    finally:
        progress.end()


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
        raise ConfigError(f"{name}: {error.strerror}") from error


async def _push(modules: Modules, url: str, args: argparse.Namespace, noun: str) -> None:
    from edged.cli.output import print_data

    reference = _registry_url(url)
    if reference.is_pinned:
        raise ConfigError(f"{url}: what is pushed gets its digest from the registry; name a tag, or nothing")
    path = _file_or_stored(modules.store, args.module)
    binary = _read(path)
    annotations = _annotations(binary, path, required=noun == "policy" and not args.force)
    digest = await modules.ask(reference, lambda registry, host: registry.push(reference, binary, annotations))
    pinned = f"registry://{reference.at(digest)}"
    if args.output == "json":
        print_data({"immutable_ref": pinned}, "json")
    else:
        print(pinned)


async def _digest(modules: Modules, url: str, args: argparse.Namespace, noun: str) -> None:
    reference = _registry_url(url)
    found = await modules.ask(reference, lambda registry, host: registry.manifest(reference, host))
    print(f"registry://{reference.at(found.digest)}")


def _registry_url(url: str) -> Any:
    from edged.registry.reference import parse_url

    if not url.startswith("registry://"):
        raise ConfigError(f"{url}: must be a registry:// URL")
    return parse_url(url)


def _annotations(binary: bytes, path: Path, *, required: bool) -> dict[str, str]:
    """Annotations for the manifest: those of the metadata that have one line, as kwctl does."""
    metadata = _metadata(binary, path)
    if metadata is None:
        if required:
            raise EdgedError(f"{path} has no metadata (edged policy annotate); --force publishes it all the same")
        return {}
    return {key: value for key, value in metadata.annotations.items() if isinstance(value, str) and "\n" not in value}


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
    from edged.cli.output import print_data, print_table

    entries = [_entry(stored, noun) for stored in store.items()]
    if args.output != "table":
        print_data(entries, args.output)
    elif noun == "policy":
        rows = [
            (e["uri"], _yes(e["mutating"]), _yes(e["contextAware"]), e["sha256"][:12], _size(e["size"]))
            for e in entries
        ]
        print_table(("POLICY", "MUTATING", "CONTEXT AWARE", "SHA-256", "SIZE"), rows)
    else:
        print_table(("MODULE", "SHA-256", "SIZE"), [(e["uri"], e["sha256"][:12], _size(e["size"])) for e in entries])
    return 0


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


def _yes(value: bool | None) -> str:
    return "unknown" if value is None else "yes" if value else "no"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"


def _rm(store: Store, args: argparse.Namespace, noun: str) -> int:
    from edged.process.files import remove

    stored = _find(store, args.module)
    if not store.remove(stored.url):  # of a URL with a query, the name has only a digest
        remove(stored.path)
    print(f"removed {stored.url}")
    return 0


def _save(store: Store, args: argparse.Namespace, noun: str) -> int:
    from edged.cli import module_archive

    chosen = [_find(store, name) for name in args.module]
    module_archive.save(store, chosen, Path(args.output))
    return 0


def _load(store: Store, args: argparse.Namespace, noun: str) -> int:
    from edged.cli import module_archive

    for url in module_archive.load(store, Path(args.input)):
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
        raise EdgedError(f"{name} is not in {store.root}")
    found = [entry for entry in stored if entry.digest().startswith(digits)]
    if len(found) > 1:
        raise EdgedError(f"{name} may be any of {', '.join(entry.url for entry in found)}")
    if not found:
        raise EdgedError(f"no module in {store.root} has a SHA-256 that begins with {digits}")
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


class _Progress:
    """Progress on stderr: on a terminal one line that is overwritten, else one line at the end."""

    def __init__(self, url: str, *, show: bool) -> None:
        self._url = url
        self._show = show
        self._live = sys.stderr.isatty()
        self._text = ""

    def __call__(self, done: int, total: int) -> None:
        self._text = f"{self._url}: {_size(done)}" + (f" of {_size(total)}" if total else "")
        if self._show and self._live:
            print(f"\r\x1b[K{self._text}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._show and self._text:
            print("" if self._live else self._text, file=sys.stderr, flush=True)
