"""Options that mean the same in every command, with kubectl's names.

`-o` is always a format. `--kubeconfig` and `--context` are always read. A file to write has an option of its own, and
one that exists is written over only with `--force`.
"""

from __future__ import annotations

import math
import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.parsing import Parser
from edged.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from edged.kube.config import KubernetesConfig

DEFAULT_CONFIG = "/etc/edged/edged.toml"
"""edged.config.DEFAULT_PATH, without what that file imports; a test compares them."""

DEFAULT_CACHE = "/var/cache/edged"
DEFAULT_STATE = "/var/lib/edged"
"""[node] cache_dir and state_dir: the daemon's. A test compares them with edged/process/config.py."""

_FORMATS = {
    "table": "for people", "wide": "a table with everything, nothing cut", "json": "", "yaml": "", "name": "names only",
}  # fmt: skip


def output(parser: Parser, *formats: str, default: str = "") -> None:
    """`-o FORMAT` as `args.output`. `formats`: the possible ones; the first is the default if no other is named."""
    formats = formats or ("table", "wide", "json", "yaml")
    default = default or formats[0]
    explained = ", ".join(f"{name} ({_FORMATS[name]})" if name in ("wide", "name") else name for name in formats)
    parser.add_argument("-o", "--output", choices=formats, default=default, metavar="FORMAT",
                        help=f"{explained}; default: {default}")


def config(parser: Parser, help: str = f"default: {DEFAULT_CONFIG}") -> None:
    """`--config FILE` as `args.config`; None where it is not given."""
    parser.add_argument("--config", metavar="FILE", help=help)


def socket(parser: Parser) -> None:
    """`--socket PATH`, and the configuration file that names the default."""
    parser.add_argument("--socket", metavar="PATH", help="default: [node] socket of the configuration file")
    config(parser)


def kubeconfig(parser: Parser | argparse._ArgumentGroup) -> None:
    """`--kubeconfig FILE` and `--context NAME`, for `cluster` below."""
    parser.add_argument("--kubeconfig", metavar="FILE",
                        help="read this kubeconfig; default: [kubernetes], $KUBECONFIG, ~/.kube/config")
    parser.add_argument("--context", metavar="NAME", help="use this context of the kubeconfig")


def cluster(args: argparse.Namespace, configured: KubernetesConfig | None = None) -> KubernetesConfig:
    """Which cluster the command line means: its own options, else what is configured. Raises ConfigError."""
    from dataclasses import replace

    from edged.kube.config import KubernetesConfig

    found = configured or KubernetesConfig()
    if args.kubeconfig:
        path = Path(args.kubeconfig).absolute()
        if not path.is_file():
            raise ConfigError(f"--kubeconfig {args.kubeconfig}: there is no such file")
        found = KubernetesConfig(kubeconfig=str(path))
    return replace(found, context=args.context) if args.context else found


def filenames(parser: Parser, help: str, *, required: bool = False) -> None:
    """`-f FILE`, repeatable, as `args.filename` (a list)."""
    parser.add_argument("-f", "--filename", action="append", default=[], metavar="FILE", required=required,
                        help=f"{help}; a folder: its .yaml, .yml and .json; -: standard input; repeatable")


def namespace(parser: Parser, help: str = "default: default", *, default: str | None = "default",
              all_namespaces: bool = False) -> None:
    """`-n NAMESPACE` as `args.namespace`, and `-A` as `args.all_namespaces`."""
    parser.add_argument("-n", "--namespace", metavar="NAME", default=default, help=help)
    if all_namespaces:
        parser.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")


def watch(parser: Parser) -> None:
    """`-w` as `args.watch`."""
    parser.add_argument("-w", "--watch", action="store_true", help="go on and print changes, until Ctrl-C")


def output_path(parser: Parser, help: str, *, required: bool = True, old: str = "") -> None:
    """`--output-path FILE` as `args.output_path`. `-o FILE` was its name, and is kwctl's."""
    if required:
        parser.need("output_path", "--output-path FILE")
    parser.add_argument("--output-path", metavar="FILE", help=help)
    parser.old_option("-o", *([old] if old else []), instead="--output-path", dest="output_path", metavar="FILE")


def cache_dir(parser: Parser | argparse._ArgumentGroup) -> None:
    """`--cache-dir DIR` as `args.cache_dir`."""
    parser.add_argument("--cache-dir", metavar="DIR",
                        help=f"where compiled modules are kept; default: {_shown(cache_folder())}")


def registry(parser: Parser | argparse._ArgumentGroup) -> None:
    """`--sources-path FILE` and `--docker-config-json-path DIR`, for tool_config.with_registry."""
    parser.add_argument("--sources-path", metavar="FILE",
                        help="insecure hosts, authorities, proxies; default: [registry] sources")
    parser.add_argument("--docker-config-json-path", metavar="DIR",
                        help="folder of config.json; default: [registry] docker_config, $DOCKER_CONFIG, ~/.docker")


def store(parser: Parser) -> None:
    """`--store DIR` as `args.store`."""
    folder = os.path.join(state_folder(), "modules")
    parser.add_argument("--store", metavar="DIR", help=f"the local store; default: {_shown(folder)}")


def cache_folder(configured: str = DEFAULT_CACHE) -> str:
    """Where this user's commands keep compiled modules: the daemon's folder, if it is theirs to write."""
    return configured if _is_ours(configured) else _of_user("XDG_CACHE_HOME", "~/.cache")


def state_folder(configured: str = DEFAULT_STATE) -> str:
    """Where this user's commands keep fetched modules (in `modules` below it): as above."""
    return configured if _is_ours(configured) else _of_user("XDG_STATE_HOME", "~/.local/state")


def _is_ours(folder: str) -> bool:
    return os.geteuid() == 0 or os.access(folder, os.W_OK | os.X_OK)


def _of_user(variable: str, otherwise: str) -> str:
    """By the XDG Base Directory Specification, which has relative paths ignored."""
    found = os.environ.get(variable, "")
    return os.path.join(found if os.path.isabs(found) else os.path.expanduser(otherwise), "edged")


def _shown(folder: str) -> str:
    """For a help text: argparse takes % for a placeholder."""
    return folder.replace("%", "%%")


def quiet(parser: Parser, help: str = "show no progress") -> None:
    """`-q` as `args.quiet`."""
    parser.add_argument("-q", "--quiet", action="store_true", help=help)


def force(parser: Parser) -> None:
    """`--force` as `args.force`, for `check_new` below."""
    parser.add_argument("--force", action="store_true", help="write over a file that exists")


def check_new(path: Path, args: argparse.Namespace) -> None:
    """Refuses a file that exists, unless `--force` is given. Raises ConfigError."""
    from edged.cli import new_files

    new_files.check(path, force=args.force)


# --- numbers, as `type=` of an option. A number out of range is a usage error that names the range.


def whole(least: int, most: int) -> Callable[[str], int]:
    """A whole number from `least` to `most`."""

    def read(text: str) -> int:
        sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
        if not digits.isascii() or not digits.isdecimal() or not least <= sign * int(digits[:20]) <= most:
            raise ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text!r}")
        return sign * int(digits)

    return read


def seconds(most: float, *, zero: bool = False) -> Callable[[str], float]:
    """Seconds up to `most`, fractions allowed; `zero`: none are allowed too."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (0 < value <= most or (zero and value == 0)):
            bounds = f"from 0 to {most:g}" if zero else f"above 0 and at most {most:g}"
            raise ArgumentTypeError(f"must be seconds {bounds}, not {text!r}")
        return value

    return read
