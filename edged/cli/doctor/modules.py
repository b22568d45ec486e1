"""The modules that the configuration names: whether the daemon can read them, and whether each is of the right kind.

Nothing is compiled: imports, exports and a policy's metadata are read from the file. `edged policy run` tries the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edged.abi import metadata
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.paths import unreadable
from edged.cli.doctor.unit import Unit
from edged.config import Config
from edged.errors import GuestError
from edged.registry.config import module_path
from edged.registry.store import Store
from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from edged.wasm.purpose import PLUGIN, POLICY, Purpose, misplaced, purpose_of


def findings(config: Config, unit: Unit) -> Iterator[Finding]:
    store = Store(Path(config.node.state_dir) / "modules")
    for name, url, wanted in named_modules(config):
        check = f"module of {name}"
        if url.startswith("file:"):
            yield _of_file(check, module_path(url), wanted, unit)
        elif stored := store.find(url):
            yield _of_file(check, str(stored), wanted, unit)
        elif config.registry.offline:
            why = f"{url} is not on this node, and [registry] offline is true"
            yield Finding(check, FAIL, why, f"edged module pull {url}")
        else:
            why = f"{url} is not fetched yet: the daemon does it when it starts"
            yield Finding(check, WARN, why, f"edged module pull {url}")


def named_modules(config: Config) -> Iterator[tuple[str, str, Purpose]]:
    """(name, URL, what it has to be) of each module."""
    if admission := config.admission:
        for policy in admission.policy:
            yield policy.name, policy.module, POLICY
        for group in admission.group:
            for name, member in group.members.items():
                yield f"{group.name}/{name}", member.module, POLICY
    if config.scheduler:
        for plugin in config.scheduler.plugin:
            yield plugin.name, plugin.module, PLUGIN


def _of_file(check: str, path: str, wanted: Purpose, unit: Unit) -> Finding:
    if hidden := unit.hides(path):
        return Finding(check, FAIL, hidden, f"install -D -m 0644 -t /usr/lib/edged/modules {path}, and name that file")
    if problem := unreadable(path):
        missing = not Path(path).exists()
        remedy = f"put the module there, or name its real place: {path}" if missing else f"chmod a+r {path}"
        return Finding(check, FAIL, problem, remedy)
    try:
        problem, remedy = _content_problem(Path(path).read_bytes(), wanted)
    except GuestError as error:
        problem, remedy = str(error), "fetch or build the module again"
    return Finding(check, FAIL, f"{path}: {problem}", remedy) if problem else Finding(check, OK, path)


def _content_problem(content: bytes, wanted: Purpose) -> tuple[str, str]:
    """What is wrong with a module, and what to do; ("", "") where nothing can be seen. Raises GuestError."""
    interface = binary.interface(content)
    found = purpose_of((item.module for item in interface.imports), interface.exports)
    if why := misplaced(found, wanted):
        return why, f"move it to [[{'admission.policy' if found == POLICY else 'scheduler.plugin'}]]"
    if wanted == POLICY:
        said = metadata.parse(binary.custom_section(content, METADATA_SECTION))
        try:
            metadata.check_loadable(said)
        except metadata.BadMetadata as error:
            return str(error), "add metadata with `edged policy annotate`, or use the module that its author published"
    return "", ""
