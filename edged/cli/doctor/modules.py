"""The modules that the configuration names: whether the daemon can read them, and whether each is of the right kind.

Nothing is compiled: imports, exports and a policy's metadata are read from the file. `edged policy run` tries the rest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edged.cli import check_findings
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.paths import closed_folder, unreadable
from edged.cli.doctor.unit import Unit
from edged.cli.module_content import content_problem
from edged.config import Config
from edged.registry.config import module_path
from edged.registry.store import Store
from edged.wasm.purpose import Purpose


def findings(config: Config, unit: Unit) -> Iterator[Finding]:
    store = Store(Path(config.node.state_dir) / "modules")
    for each in check_findings.modules(config):
        check, url = f"module of {each.name}", each.url
        if url.startswith("file:"):
            yield _of_file(check, module_path(url), each.wanted, unit)
        elif stored := store.find(url):
            yield _of_file(check, str(stored), each.wanted, unit)
        elif config.registry.offline:
            why = f"{url} is not on this node, and [registry] offline is true"
            yield Finding(check, FAIL, why, f"edged module pull {url}")
        else:
            why = f"{url} is not fetched yet: the daemon does it when it starts"
            yield Finding(check, WARN, why, f"edged module pull {url}")


def _of_file(check: str, path: str, wanted: Purpose, unit: Unit) -> Finding:
    if hidden := unit.hides(path):
        return Finding(check, FAIL, hidden, f"install -D -m 0644 -t /usr/lib/edged/modules {path}, and name that file")
    if problem := unreadable(path):
        missing = not os.path.lexists(path) and not closed_folder(Path(path))
        remedy = f"put the module there, or name its real place: {path}" if missing else f"chmod a+r {path}"
        return Finding(check, FAIL, problem, remedy)
    why, remedy = content_problem(Path(path).read_bytes(), wanted)
    return Finding(check, FAIL, f"{path}: {why}", remedy) if why else Finding(check, OK, path)
