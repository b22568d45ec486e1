"""`edged controller new`: a folder with a small working controller, its script, its configuration and the SDK.

What is written is a copy of sdk/starters and of the SDK of the language, which installations have below share/edged.
"""

from __future__ import annotations

import argparse
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import edged
from edged.cli import options
from edged.cli.parsing import Parser
from edged.errors import ConfigError

_GREETS: Final = (
    "Keeps a ConfigMap named `greeting` in each Namespace that is labelled `greet=yes`: made when it is missing, put\n"
    "right when somebody changes it, gone with its Namespace."
)
_APPLIES: Final = "Keeps the ConfigMap `greeting` in the Namespace `default` as it should be. There is no SDK for WAT."
ASSEMBLYSCRIPT: Final = "0.28.20"
"""As modules/toolchain; a test compares them."""


@dataclass(frozen=True, slots=True)
class Language:
    """`sdk`: which files of the SDK go where in the new folder. `build`: one command a line."""

    source: str
    needs: str
    build: str
    sdk: tuple[tuple[str, str], ...] = ()
    does: str = _GREETS


LANGUAGES: Final = {
    "zig": Language(
        "module.zig", " with Zig (`pip install ziglang` has it)",
        "python -m ziglang build-exe -target wasm32-freestanding -O ReleaseSmall -fno-entry -rdynamic -fstrip \\\n"
        "    --stack 65536 -femit-bin={name}.wasm --dep edged_ctl -Mroot=module.zig -Medged_ctl=sdk/edged_ctl.zig",
        (("*.zig", "sdk"),),
    ),
    "go": Language(
        "main.go", " with Go 1.24 or newer",
        'GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags="-s -w" -o {name}.wasm .',
        (("*.go", "sdk"), ("go.mod", "sdk")),
    ),
    "rust": Language(
        "src/lib.rs", " with Rust (`rustup target add wasm32-unknown-unknown`)",
        "cargo build --release --target wasm32-unknown-unknown\n"
        "cp target/wasm32-unknown-unknown/release/{crate}.wasm {name}.wasm",
        (("Cargo.toml", "sdk"), ("src/*.rs", "sdk/src")),
    ),
    "assemblyscript": Language(
        "module.ts", " with Node.js",
        "npm install\n"
        "npx asc module.ts -o {name}.wasm -Oz --noAssert --runtime minimal --use abort= --exportStart _initialize",
        (("*.ts", "sdk"),),
    ),
    "wat": Language(
        "module.wat", " with wat2wasm of WABT", "wat2wasm module.wat -o {name}.wasm", does=_APPLIES,
    ),
}  # fmt: skip


def declare(parser: Parser) -> None:
    parser.describe("Writes a folder with a small working controller: its source, a script that tests it, its "
                    "[[controller]] block, the SDK of its language, and a README with the commands.",
                    "edged controller new greeting --language zig",
                    "edged controller new controllers/greeting --language go")
    parser.add_argument("folder", metavar="NAME", help="the controller's name: the folder to make, or a path that ends "
                                                       "in it")
    parser.add_argument("--language", choices=tuple(LANGUAGES), required=True, metavar="LANGUAGE",
                        help=f"{', '.join(LANGUAGES)}")
    options.force(parser)


def run(args: argparse.Namespace) -> int:
    folder = Path(args.folder)
    name = folder.absolute().name
    _check_name(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not args.force:
        raise ConfigError(f"{folder} exists and is not empty: name another folder; --force writes over its files")
    for path, content in sorted(files(name, args.language, folder.absolute())):
        _write(folder / path, content)
    print(f"{folder}: a controller in {args.language}; {folder / 'README.md'} says how to build, test and run it")
    return 0


def _check_name(name: str) -> None:
    from edged.controllers.config import controller_name
    from edged.toml.reader import Bad, Reader

    try:
        controller_name(name, Reader({}, {}), ())
    except Bad as error:
        raise ConfigError(f"the name of a controller {error}") from error


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def sdk_dir() -> Path:
    """Beside the package in a checkout, below the prefix when installed. Raises ConfigError."""
    places = (
        Path(edged.__file__).parents[1] / "sdk", Path(sysconfig.get_path("data")) / "share/edged/sdk",
        Path("/usr/share/edged/sdk"),
    )  # fmt: skip
    for place in places:
        if (place / "starters").is_dir():
            return place
    raise ConfigError(f"the SDKs are not installed; looked for {', '.join(map(str, places))}")


def files(name: str, language: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    """What goes into the folder, each file by its path in it."""
    sdk, chosen = sdk_dir(), LANGUAGES[language]
    starter = sdk / "starters" / language
    for path in sorted(each for each in starter.rglob("*") if each.is_file()):
        if path.name not in ("controller.toml", "controller-test.yaml"):
            yield path.relative_to(starter).as_posix(), _filled(path, name, folder)
    for pattern, to in chosen.sdk:
        for path in sorted((sdk / language).glob(pattern)):
            # A crate below another one must not call itself a workspace of its own.
            yield f"{to}/{path.name}", path.read_bytes().replace(b"\n[workspace]\n", b"")
    yield "controller.toml", _filled(_own_or_common(starter, "controller.toml"), name, folder)
    yield f"{name}.controller-test.yaml", _filled(_own_or_common(starter, "controller-test.yaml"), name, folder)
    yield "README.md", _about(sdk / "starters" / "about.md", name, chosen)


def _own_or_common(starter: Path, name: str) -> Path:
    own = starter / name
    return own if own.is_file() else starter.parent / name


def _filled(path: Path, name: str, folder: Path) -> bytes:
    url = (folder / f"{name}.wasm").as_uri()
    text = path.read_text().replace("{name}", name).replace("{url}", url)
    return text.replace("{assemblyscript}", ASSEMBLYSCRIPT).encode()


def _about(path: Path, name: str, language: Language) -> bytes:
    text = path.read_text().replace("{does}", language.does).replace("{source}", language.source)
    sdk = "| `sdk/` | edged's SDK, a copy |\n" if language.sdk else ""
    text = text.replace("{sdk}\n", f"{sdk}\n").replace("{needs}", language.needs).replace("{build}", language.build)
    return text.replace("{name}", name).replace("{crate}", name.replace("-", "_")).encode()

