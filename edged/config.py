"""The configuration file: TOML -> frozen `Config`, with every default and every check.

`load` and `parse` give a `Config` whose values are complete and free of contradictions, or raise `ConfigErrors` with
everything that is wrong. Each subject owns its section, such as edged/admission/config.py: the frozen dataclass, the
checks of its keys, and what `check` and `complete` say about several keys. This file joins the sections. No subject
imports it: each is given its own section.

Field names and types are those of the file; arrays are tuples, "" means "not set". What a release does not have yet is
parsed and checked like the rest and then refused, never ignored. Checks that need the disk, a cluster or a guest are
not made here: a policy that cannot be loaded answers for itself (edged/cli/check.py looks ahead).
"""



from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edged.errors import ConfigError
from edged.kube.config import KubernetesConfig
from edged.process.config import NodeConfig
from edged.process.files import read_file
from edged.process.own_program import spelled
from edged.records import dataclass
from edged.registry.config import RegistryConfig, SignaturesConfig
from edged.telemetry.config import ObservabilityConfig
from edged.toml.lines import Path, find_lines
from edged.toml.reader import (
    Problem,
    Reader,
    setting,
    split_address,
    table_of,
)
from edged.toml.tables import NotToml, read_tables
from edged.wasm.config import EngineConfig

if TYPE_CHECKING:
    from edged.admission.config import AdmissionConfig
    from edged.controllers.config import ControllerConfig
    from edged.fabric.config import FabricConfig
    from edged.scheduling.config.section import SchedulerConfig

DEFAULT_PATH = "/etc/edged/edged.toml"
_ARRAYS_OF_TABLES: frozenset[Path] = frozenset(
    {("admission", "policy"), ("admission", "group"), ("scheduler", "plugin"), ("controller",)}
)


class ConfigErrors(ConfigError):
    """All that is wrong with a configuration; `str()` is a line per problem, `file:line: [table] key: what`."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(f"{source}:{p.line}: {p.where}: {p.message}" for p in self.problems))

    @property
    def unavailable(self) -> tuple[Problem, ...]:
        """Those that ask for something this release does not have."""
        return tuple(problem for problem in self.problems if problem.unavailable)


# Only a file that has the table of a subject has its section loaded.


def _admission(value: object, reader: Reader, path: Path) -> AdmissionConfig:
    from edged.admission.config import AdmissionConfig

    section: AdmissionConfig = reader.table(AdmissionConfig, value, path)
    return section


def _scheduler(value: object, reader: Reader, path: Path) -> SchedulerConfig:
    from edged.scheduling.config.section import SchedulerConfig

    section: SchedulerConfig = reader.table(SchedulerConfig, value, path)
    return section


def _fabric(value: object, reader: Reader, path: Path) -> FabricConfig:
    from edged.fabric.config import FabricConfig

    section: FabricConfig = reader.table(FabricConfig, value, path)
    return section


def _controllers(value: object, reader: Reader, path: Path) -> tuple[ControllerConfig, ...]:
    if value == []:
        return ()
    from edged.controllers import config as controller_section

    return controller_section.controllers(value, reader, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole file. `admission` and `scheduler` are None where their table is absent: that part is off. `fabric` None:
    FabricConfig() for controllers that are granted netfabric."""

    node: NodeConfig = setting(table_of(NodeConfig), factory=NodeConfig)
    kubernetes: KubernetesConfig = setting(table_of(KubernetesConfig), factory=KubernetesConfig)
    engine: EngineConfig = setting(table_of(EngineConfig), factory=EngineConfig)
    admission: AdmissionConfig | None = setting(_admission, None)
    scheduler: SchedulerConfig | None = setting(_scheduler, None)
    controller: tuple[ControllerConfig, ...] = setting(_controllers, ())
    fabric: FabricConfig | None = setting(_fabric, None)
    registry: RegistryConfig = setting(table_of(RegistryConfig), factory=RegistryConfig)
    signatures: SignaturesConfig = setting(table_of(SignaturesConfig), factory=SignaturesConfig)
    observability: ObservabilityConfig = setting(table_of(ObservabilityConfig), factory=ObservabilityConfig)


def load(path: str | os.PathLike[str], *, waiting: bool = True) -> Config:
    """The file at `path`. Raises ConfigError: unreadable, no TOML, or ConfigErrors with all that is wrong.

    `waiting` False: a pipe is refused, since an event loop would wait for it with everything else."""
    return parse(_text(path, waiting=waiting), os.fspath(path))


def places(path: str | os.PathLike[str]) -> Reader:
    """Knows where everything in a file that `load` takes stands: `line` and `where`. Raises ConfigError."""
    content = _text(path)
    return Reader(read_tables(content), find_lines(content.replace("\r\n", "\n")), _ARRAYS_OF_TABLES)


def load_leniently(path: str | os.PathLike[str]) -> tuple[Config, ConfigError | None]:
    """What of the file at `path` can be used, and what `load` would raise: for commands that look at a broken
    installation. A wrong key counts as not set, a wrong policy or plugin as not there."""
    try:
        return load(path), None
    except ConfigErrors as error:
        return _without_problems(read_tables(_text(path))), error
    except ConfigError as error:
        return Config(), error


def _text(path: str | os.PathLike[str], *, waiting: bool = True) -> str:
    """Raises ConfigError."""
    try:
        if waiting:
            with open(path, "rb") as file:
                content = file.read()
        else:
            content = read_file(path)
    except FileNotFoundError as error:
        given = "" if os.fspath(path) == DEFAULT_PATH else f" --config {os.fspath(path)}"
        init = spelled(f"`edged init{given}`")
        raise ConfigError(f"{os.fspath(path)}: {error.strerror}; {init} writes one") from error
    except OSError as error:
        raise ConfigError(f"{os.fspath(path)}: {error.strerror}") from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{os.fspath(path)}:{line}: not UTF-8") from error


def parse(content: str, source: str = "edged.toml") -> Config:
    """`content` as a Config; `source` is what errors call it. Raises ConfigError as `load` does."""
    try:
        data = read_tables(content)
        config, reader = _read(data, find_lines(content.replace("\r\n", "\n")))
    except NotToml as error:
        raise ConfigError(f"{source}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: arrays or tables inside each other are nested too deeply") from error
    if reader.problems:
        raise ConfigErrors(source, reader.problems)
    return _complete(config, data)


def _read(data: dict[str, Any], lines: Mapping[Path, int]) -> tuple[Config, Reader]:
    """The tables as they are, and what is wrong with them."""
    reader = Reader(data, lines, _ARRAYS_OF_TABLES)
    config: Config = reader.table(Config, data, ())
    _check(config, reader)
    return config, reader


def _without_problems(data: dict[str, Any]) -> Config:
    """The configuration of what is left when everything that is wrong is taken out, until nothing is wrong."""
    while True:
        config, reader = _read(data, {})
        wrong = {_removable(problem.path) for problem in reader.problems}
        # From the last element of an array to the first one: those before it keep their places.
        if not any([_remove(data, path) for path in sorted(wrong, reverse=True)]):
            return _complete(config, data)  # what is still wrong contradicts a default


def _removable(path: Path) -> Path:
    """What goes for a problem at `path`: the element of an array of tables that it is in, else the key of its table.
    Such an element is a whole: without one of its keys it would say something else."""
    for length in (1, 2):
        if path[:length] in _ARRAYS_OF_TABLES and len(path) > length:
            return path[: length + 1]
    return path[:2]


def _remove(data: dict[str, Any], path: Path) -> bool:
    """Whether there was something."""
    value: Any = data
    try:
        for part in path[:-1]:
            value = value[part]
        del value[path[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def effective(config: Config) -> dict[str, Any]:
    """All tables, every default filled in, as plain data. Settings are hidden: only how many keys they have. What this
    release does not have is left out."""
    return {name: value for name, value in _plain(config).items() if value not in (None, {}, [])}


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            field.name: _hidden(getattr(value, field.name))
            if field.metadata["hidden"] else _plain(getattr(value, field.name))
            for field in dataclasses.fields(value) if "check" in field.metadata and not field.metadata["unavailable"]
        }  # fmt: skip
    if isinstance(value, tuple | list):
        return [_plain(element) for element in value]
    if isinstance(value, dict):
        return {name: _plain(element) for name, element in value.items()}
    return value


def _hidden(settings: Mapping[str, object]) -> Any:
    return f"({len(settings)} key{'' if len(settings) == 1 else 's'}, hidden)" if settings else {}


def _check(config: Config, reader: Reader) -> None:
    """Report contradictions inside the sections and between them."""
    if config.admission is not None:
        from edged.admission import config as admission_section

        _check_listeners(config.admission, config.observability, reader)
        admission_section.check(config.admission, config.engine, reader)
    if config.scheduler is not None:
        from edged.scheduling.config import section as scheduler_section

        scheduler_section.check(config.scheduler, reader)
    if config.controller:
        _check_controllers(config, reader)


def _check_controllers(config: Config, reader: Reader) -> None:
    from edged.controllers import config as controller_section

    admission = config.admission
    controller_section.check(
        config.controller, config.engine, reader,
        webhook_timeout_s=admission.webhook_timeout_s if admission else None,
        policies=[each.name for each in (*admission.policy, *admission.group)] if admission else (),
    )  # fmt: skip


def _check_listeners(admission: AdmissionConfig, observability: ObservabilityConfig, reader: Reader) -> None:
    if reader.bad("admission", "listen") or reader.bad("observability", "listen"):
        return
    listen = observability.listen
    if listen == admission.listen and split_address(listen)[1] != 0:
        reader.problem(("observability", "listen"), "is the same address as [admission] listen")


def _complete(config: Config, data: dict[str, Any]) -> Config:
    """With the defaults that depend on other keys."""
    changed: dict[str, Any] = {}
    if config.admission:
        from edged.admission import config as admission_section

        changed["admission"] = admission_section.complete(config.admission, data["admission"], config.engine)
    if config.scheduler:
        from edged.scheduling.config import section as scheduler_section

        changed["scheduler"] = scheduler_section.complete(config.scheduler)
    if config.controller:
        from edged.controllers import config as controller_section

        changed["controller"] = controller_section.complete(config.controller, config.node.name)
    return dataclasses.replace(config, **changed)
