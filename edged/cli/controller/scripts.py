"""Scripts of `edged controller test` (YAML or JSON): what a module may do, objects, steps and expectations. Errors name
file, line and key. docs/controller-tests.md describes them."""

# ruff: noqa: RUF009  (`setting` is dataclasses.field with a check)

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from edged import yaml_text
from edged.cli import documents
from edged.controllers.config import ControllerConfig
from edged.errors import ConfigError
from edged.sandbox.clock import parse_time
from edged.sandbox.faults.rules import READS, WRITES, parse
from edged.toml.lines import Path as Place
from edged.toml.reader import Bad, Check, Reader, expect, integer, json_table, list_of, setting, table_of, text

NAMES: Final = re.compile(r"(.*[-_.])?controller-test\.(ya?ml|json)")
"""Files that are looked for in folders."""
TIME: Final = "2030-01-01T00:00:00Z"
LONGEST_S: Final = 366 * 86400.0
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_REQUESTS: Final = (*READS, *WRITES, "read", "write", "*")


def _object(value: object, reader: Reader, path: Place) -> dict[str, Any]:
    value = expect(dict, value)
    if not all(isinstance(value.get(name), str) for name in ("apiVersion", "kind")):
        raise Bad("needs apiVersion and kind")
    if not isinstance(value.get("metadata"), dict):
        raise Bad("needs metadata")
    return dict(value)


def _some(check: Check) -> Check:
    """One, or a list of them."""
    many = list_of(check, unique=False)

    def some(value: object, reader: Reader, path: Place) -> tuple[Any, ...]:
        return many(value if isinstance(value, list) else [value], reader, path)  # type: ignore[no-any-return]

    return some


def _duration(value: object, reader: Reader, path: Place) -> float:
    """`90s`, `1.5m` or a number of seconds."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        seconds = float(found[1]) * _UNITS[found[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise Bad("must be a time such as 90s, 5m or 2h")
    if not 0 <= seconds <= LONGEST_S:
        raise Bad("must be between 0 and 366 days")
    return seconds


def _time(value: object, reader: Reader, path: Place) -> float:
    try:
        return parse_time(expect(str, value))
    except ConfigError as error:
        raise Bad(f"must be a time: {error}") from None


def _faults(value: object, reader: Reader, path: Place) -> tuple[str, ...]:
    rules = list_of(text(empty=False), unique=False)(value, reader, path)
    try:
        parse(rules)
    except ConfigError as error:
        raise Bad(f"has a rule that is none: {error}") from None
    return tuple(rules)


def _counts(value: object, reader: Reader, path: Place) -> dict[str, int]:
    counts = expect(dict, value)
    for name, count in counts.items():
        verb, blank, resource = str(name).partition(" ")
        if verb not in _REQUESTS or not blank or not resource or " " in resource:
            raise Bad(f'names {str(name)!r}; a request is a verb and a resource, such as "create configmaps"')
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise Bad(f"{name}: must be a whole number from 0 on")
    return dict(counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An object by its name."""

    apiVersion: str = setting(text(empty=False))
    kind: str = setting(text(empty=False))
    namespace: str = setting(text(), "")
    name: str = setting(text(empty=False))

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch(Named):
    """A merge patch of an object, or of its status."""

    merge: dict[str, Any] = setting(json_table)
    subresource: str = setting(text(), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """None: nothing is expected of it. `requests` and `reconciles` count from the last step that counted them."""

    objects: tuple[dict[str, Any], ...] = setting(_some(_object), ())
    exactly: tuple[dict[str, Any], ...] = setting(_some(_object), ())
    absent: tuple[Named, ...] = setting(_some(table_of(Named)), ())
    events: tuple[dict[str, Any], ...] = setting(list_of(json_table, unique=False), ())
    requests: dict[str, int] = setting(_counts, factory=dict)
    reconciles: int | None = setting(integer(0, 1_000_000), None)
    denied: tuple[str, ...] | None = setting(list_of(text(empty=False), unique=False), None)
    error: str | None = setting(text(), None)
    log: tuple[str, ...] = setting(list_of(text(empty=False), unique=False), ())
    traps: int | None = setting(integer(0, 1_000_000), None)
    state: str | None = setting(text(empty=False), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of these."""

    create: tuple[dict[str, Any], ...] = setting(_some(_object), ())
    update: tuple[dict[str, Any], ...] = setting(_some(_object), ())
    patch: tuple[Patch, ...] = setting(_some(table_of(Patch)), ())
    delete: tuple[Named, ...] = setting(_some(table_of(Named)), ())
    advance: float | None = setting(_duration, None)
    faults: tuple[str, ...] | None = setting(_faults, None)
    restart: dict[str, Any] | None = setting(json_table, None)
    expect: Expect | None = setting(table_of(Expect), None)
    line: int = 0

    def given(self) -> list[str]:
        return [each.name for each in fields(self)
                if each.name != "line" and getattr(self, each.name) not in (None, ())]  # fmt: skip


def _step(value: object, reader: Reader, path: Place) -> Step:
    from dataclasses import replace

    value = expect(dict, value)
    names = [each.name for each in fields(Step) if each.name != "line"]
    if len(value) != 1:
        raise Bad(f"must have one key, what is to be done: {', '.join(names)}")
    step: Step = reader.table(Step, value, path)
    return replace(step, line=reader.line(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """`objects`: there before the module begins, with those of the script. `faults`: from the beginning."""

    __test__ = False
    name: str = setting(text(empty=False))
    objects: tuple[dict[str, Any], ...] = setting(_some(_object), ())
    faults: tuple[str, ...] = setting(_faults, ())
    steps: tuple[Step, ...] = setting(list_of(_step, empty=False, unique=False))
    line: int = 0


def _test(value: object, reader: Reader, path: Place) -> Test:
    from dataclasses import replace

    test: Test = reader.table(Test, value, path)
    return replace(test, line=reader.line(path))


def _controller(value: object, reader: Reader, path: Place) -> dict[str, Any] | str:
    """The keys of [[controller]], or a TOML file that has one."""
    return value if isinstance(value, str) else dict(expect(dict, value))


def _files(value: object, reader: Reader, path: Place) -> tuple[str, ...]:
    return tuple(list_of(text(empty=False))(value if isinstance(value, list) else [value], reader, path))


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    controller: dict[str, Any] | str = setting(_controller, factory=dict)
    time: float = setting(_time, parse_time(TIME))
    node: str = setting(text(empty=False), "edge-1")
    load: tuple[str, ...] = setting(_files, ())
    objects: tuple[dict[str, Any], ...] = setting(_some(_object), ())
    tests: tuple[Test, ...] = setting(list_of(_test, empty=False, unique=False))


@dataclass(frozen=True, slots=True)
class Script:
    """A file. `loaded`: the objects that are there before each test, and where they stand."""

    file: str
    config: ControllerConfig
    time: float
    node: str
    loaded: list[tuple[dict[str, Any], str]]
    tests: tuple[Test, ...] = field(default=())


def read(path: Path, module: str) -> Script:
    """A script for that module (a URL). Raises ConfigError that says all that is wrong."""
    content = documents.read(path)
    try:
        data = yaml_text.load(content, what=str(path))
        lines = yaml_text.lines(content, what=str(path))
    except yaml_text.YamlError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a script is a mapping with the key tests")
    reader = Reader(data, lines)
    found: _File = reader.table(_File, data, ())
    config = None
    if not reader.problems:
        config = _config(path, found, reader, module)
    if reader.problems or config is None:
        said = [f"{path}:{each.line}: {each.where} {each.message}".replace(":  ", ": ") for each in reader.problems]
        raise ConfigError("\n".join(said))
    loaded = [(each, f"{path}: objects") for each in found.objects]
    return Script(str(path), config, found.time, found.node, loaded + _loaded(path, found.load), found.tests)


def _config(path: Path, found: _File, reader: Reader, module: str) -> ControllerConfig | None:
    """Without an election: nobody else is there."""
    from dataclasses import replace

    from edged.controllers.config import check, complete
    from edged.wasm.config import EngineConfig

    if isinstance(found.controller, str):
        config = named_in(path.parent / found.controller, "")
        return replace(complete([config], found.node)[0], module=module, leader_election=False)
    table = {"name": name_of(module), **found.controller, "module": module}
    config = reader.table(ControllerConfig, table, ("controller",))
    if not reader.problems:
        check([config], EngineConfig(), reader, webhook_timeout_s=10, policies=())
    if reader.problems:
        return None
    return replace(complete([config], found.node)[0], leader_election=False)


def name_of(module: str) -> str:
    """A controller's name by that of its file."""
    name = re.sub(r"[^a-z0-9-]+", "-", module.rpartition("/")[2].removesuffix(".wasm").lower()).strip("-")[:63]
    return name or "controller"


def named_in(path: Path, name: str) -> ControllerConfig:
    """The [[controller]] of a TOML file: the one of that name, or the only one. Raises ConfigError."""
    from edged import config as configuration

    found = configuration.load(str(path)).controller
    chosen = [each for each in found if each.name == name] if name else list(found)
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(each.name for each in found)
    if not found:
        raise ConfigError(f"{path}: there is no [[controller]] in it")
    raise ConfigError(f"{path}: has the controllers {names}" + (f", and none is named {name}" if name else ""))


def _loaded(path: Path, files: Iterable[str]) -> list[tuple[dict[str, Any], str]]:
    from edged.sandbox import snapshots

    found = []
    for name in files:
        for document, where in documents.documents([str(path.parent / name)]):
            found += list(snapshots.objects_of(document, where))
    return found


def discover(names: Iterable[str]) -> list[Path]:
    """Files, and those of folders whose name says that they are scripts. Raises ConfigError."""
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            below = sorted(each for each in path.rglob("*") if each.is_file() and NAMES.fullmatch(each.name))
            if not below:
                raise ConfigError(f"{name}: no file in this folder is named *controller-test.yaml")
            found += below
        else:
            found.append(path)
    return list(dict.fromkeys(found))


