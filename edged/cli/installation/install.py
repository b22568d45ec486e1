"""`edged init` from its options to its report. What is asked and decided before the first step is here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from edged.cli.installation import administrator
from edged.cli.installation import program as program_places
from edged.cli.installation.default_config import Part
from edged.cli.installation.layout import Layout
from edged.cli.installation.lock import only_one
from edged.cli.installation.machine import Machine
from edged.cli.installation.plan import Cluster, Planner, Wanted, needs_fabric
from edged.cli.installation.program import Program
from edged.cli.installation.steps import Done, Report, carry_out, changes
from edged.cli.status_client import is_running
from edged.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """`config` None: the layout's."""

    admin_kubeconfig: str | None = None
    context: str = ""
    config: str | None = None
    only: Collection[Part] = ()
    dry_run: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation goes: tests have one of their own."""

    machine: Machine
    layout: Layout
    program: Program


async def install(
    options: InitOptions, place: Place, report: Report, said: Callable[[Done], None] = lambda line: None
) -> None:
    """Fills the report; `said` hears of each step. Raises EdgedError before anything was changed."""
    check_machine(place.machine, "init")
    with nullcontext() if options.dry_run else only_one(place.layout.lock):
        await _install(options, place, report, said)


async def _install(options: InitOptions, place: Place, report: Report, said: Callable[[Done], None]) -> None:
    report.facts.append(("program", str(place.program.script)))
    why = program_places.unreadable(place.program.needs, place.layout, place.machine)
    if why:
        raise ConfigError(f"the daemon cannot run from here: {why}. Install edged where everybody may read it: "
                          "python3 -m venv /opt/edged && /opt/edged/bin/pip install .")
    source = administrator.find_kubeconfig(options.admin_kubeconfig, place.layout)
    client, address = administrator.connect(source, options.context)
    try:
        version = await administrator.check(client, source)
        report.facts.append(("administrator", f"{', '.join(map(str, source.files))} ({source.where})"))
        report.facts.append(("API server", f"{client.server}, {version}"))
        planner = Planner(place.machine, place.layout, place.program, Cluster(client, address), report,
                          force=options.force)
        path = Path(options.config).absolute() if options.config else place.layout.config
        wanted = await planner.wanted(path, options.only)
        _check_places(wanted, place)
        if options.force:
            _spare_administrators(wanted, source.files, place.layout)
        report.facts.append(("node", wanted.config.node.name))
        if await carry_out(await planner.steps(wanted), report, dry_run=options.dry_run, said=said):
            report.next = _next(place, wanted, report)
    finally:
        await client.aclose()


def _check_places(wanted: Wanted, place: Place) -> None:
    """The configuration and what the daemon writes have to be where its unit lets it. Raises ConfigError."""
    if not place.machine.has_systemd:
        return
    config, layout = wanted.config, place.layout
    if why := program_places.hidden(wanted.path, layout):
        raise ConfigError(f"--config: {why}: put it into another folder, such as {layout.folder}")
    places = [("[node] state_dir", config.node.state_dir, layout.state),
              ("[node] cache_dir", config.node.cache_dir, layout.cache)]
    if config.admission is not None and config.admission.register == "static":
        places.append(("[admission] static_dir", config.admission.static_dir, layout.static))
    for key, path, usual in places:
        if why := program_places.hidden(Path(path), layout):
            raise ConfigError(f"{wanted.path}: {key}: {why}: name another place, such as {usual}")


def _spare_administrators(wanted: Wanted, files: Collection[Path], layout: Layout) -> None:
    """The daemon may be configured with an administrator's kubeconfig. --force would write over it, and the
    administrator would be locked out. Raises ConfigError."""
    path = Path(wanted.config.kubernetes.kubeconfig)
    places = {each.resolve() for each in (*files, *(known.kubeconfig for known in layout.distributions))}
    if path.resolve() in places:
        raise ConfigError(f"{wanted.path}: [kubernetes] kubeconfig names an administrator's file, {path}, which "
                          f'--force would write over: write kubeconfig = "{layout.kubeconfig}", and run this again')


def check_machine(machine: Machine, command: str) -> None:
    """Raises ConfigError."""
    if not machine.is_linux:
        raise ConfigError(f"edged runs on Linux: run `edged {command}` on the node")
    if not machine.is_root:
        raise ConfigError(f"`edged {command}` changes users, files of root and systemd units: run it as root")


def _next(place: Place, wanted: Wanted, report: Report) -> list[str]:
    """The commands that are left to the administrator."""
    config = [] if wanted.path == place.layout.config else ["--config", str(wanted.path)]
    look = " ".join(["edged status --check --wait 60", *config])
    helper = ["systemctl enable --now edged-fabric"] if needs_fabric(wanted.config) else []
    if not place.machine.has_systemd:
        return [look]
    if not is_running(wanted.config.node.socket):
        return [*helper, "systemctl enable --now edged", look]
    unit = {f"file {place.layout.unit}", f"file {place.layout.drop_in}"}
    restart = any(line.what in unit for line in changes(report.done))
    return [*helper, "systemctl restart edged" if restart else "systemctl reload edged", look]
