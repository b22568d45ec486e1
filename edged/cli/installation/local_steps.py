"""Steps on this machine: the user, folders, files, the link, systemd.

A file that somebody else wrote is kept and named; `force` replaces it. What `edged init` wrote itself is told by its
content (`ours`), never by where it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edged.cli.installation.layout import USER
from edged.cli.installation.machine import Machine, Owner
from edged.cli.installation.steps import NOTHING, UNCHANGED, Finding
from edged.errors import EdgedError
from edged.process.files import make_folder, write_atomically

MARK = ".made-by-edged-init"
"""In a folder that init made, and that has a name of the operator's choice."""
OwnerOf = Callable[[], Owner | None]
"""Asked when a step runs: a step before it may have made the user. None in a dry run before there is one."""


@dataclass(frozen=True, slots=True)
class UserStep:
    """The system user and group `edged`."""

    machine: Machine
    home: Path
    what: str = f"user and group {USER}"

    async def look(self) -> Finding:
        return UNCHANGED if self.machine.user(USER) is not None else Finding("create")

    async def apply(self, found: Finding) -> None:
        self.machine.add_user(USER, self.home)


@dataclass(frozen=True, slots=True)
class FolderStep:
    """A folder of the daemon's own. `usual`: its name is edged's; what root left in such a one is given to the daemon,
    as systemd does for StateDirectory=. One of another name may hold what is others'. `marked`: it was not there
    before; a file in it says so, and uninstall may delete the folder."""

    machine: Machine
    path: Path
    mode: int
    owner: OwnerOf
    usual: bool = False
    marked: bool = False

    @property
    def what(self) -> str:
        return f"folder {self.path}"

    async def look(self) -> Finding:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return Finding("create")
        if not stat.S_ISDIR(found.st_mode):
            raise EdgedError(f"{self.path} is not a folder")
        owner = self.owner()
        if owner is None:
            return Finding("update", f"would belong to {USER}")
        if found.st_uid != owner.uid and any(self.path.iterdir()):
            if not self.usual or found.st_uid != self.machine.root.uid:
                raise EdgedError(f"it belongs to user {found.st_uid} and is not empty: name a folder of edged's own in "
                                 f"the configuration. Only if all of its content is edged's: chown -R {USER}: "
                                 f"{self.path}")
            return Finding("update", f"owner {USER}, what is in it too")
        wrong = found.st_uid != owner.uid or found.st_gid != owner.gid or stat.S_IMODE(found.st_mode) != self.mode
        return Finding("update", f"owner {USER}, mode {self.mode:04o}") if wrong else UNCHANGED

    async def apply(self, found: Finding) -> None:
        _make_folders(self.path, self.mode)
        if self.marked:
            (self.path / MARK).touch(mode=0o600)
        owner = self.owner()
        if owner is not None:
            if self.usual:
                self._give_content(owner)
            self.machine.give(self.path, owner)

    def _give_content(self, owner: Owner) -> None:
        """By open folders, not by paths: the daemon's user could put a link in the place of a folder meanwhile, and
        would be given what is behind it."""
        for folder, folders, files, descriptor in os.fwalk(self.path):
            for name in (*folders, *files):
                self.machine.give(Path(folder, name), owner, descriptor)


@dataclass(frozen=True, slots=True)
class ReadableFolderStep:
    """The folder of the configuration: root's, and the daemon reads it. One that it can read stays as it is. `usual`:
    its name is edged's; one of another name is somebody's, whom a change of its rights may lock out."""

    machine: Machine
    path: Path
    owner: OwnerOf
    mode: int = 0o750
    usual: bool = False

    @property
    def what(self) -> str:
        return f"folder {self.path}"

    async def look(self) -> Finding:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return Finding("create")
        owner = self.owner()
        mode = stat.S_IMODE(found.st_mode)
        readable = mode & 0o005 == 0o005 or (owner is not None and found.st_gid == owner.gid and mode & 0o050 == 0o050)
        if readable:
            return UNCHANGED
        if not self.usual:
            raise EdgedError(f"user {USER} may not read it: name another folder, or let the user in: "
                             f"chgrp {USER} {self.path} && chmod g+rx {self.path}")
        return Finding("update", f"group {USER}, mode {self.mode:04o}")

    async def apply(self, found: Finding) -> None:
        _make_folders(self.path, self.mode)
        owner = self.owner()
        if owner is not None:
            self.machine.give(self.path, Owner(self.machine.root.uid, owner.gid))


def _make_folders(path: Path, mode: int) -> None:
    make_folder(path.parent, 0o755)
    path.mkdir(mode=mode, exist_ok=True)
    path.chmod(mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStep:
    """A file with this content. `ours`: whether a content that is there may be replaced; `always_kept`: not even
    --force replaces it (the configuration)."""

    machine: Machine
    path: Path
    content: bytes
    mode: int
    owner: OwnerOf
    ours: Callable[[bytes], bool] = lambda content: False
    force: bool = False
    always_kept: bool = False
    kind: str = "file"

    @property
    def what(self) -> str:
        return f"{self.kind} {self.path}"

    async def look(self) -> Finding:
        try:
            there = self.path.read_bytes()
            found = self.path.stat()
        except FileNotFoundError:
            return Finding("create")
        if self.always_kept:
            why = self.machine.unreadable_for(USER, self.path)
            return Finding("update", f"its mode only: {why}") if why else Finding("kept", "everything else follows it")
        if there == self.content:
            return self._rights(found)
        if self.ours(there):
            return Finding("update")
        return Finding("update", "--force") if self.force else \
            Finding("kept", "it differs, and `edged init` did not write it; --force replaces it")

    def _rights(self, found: os.stat_result) -> Finding:
        owner = self.owner()
        if owner is not None and (found.st_uid, found.st_gid) != (owner.uid, owner.gid):
            return Finding("update", "owner")
        mode = stat.S_IMODE(found.st_mode)
        return UNCHANGED if mode == self.mode else Finding("update", f"mode {mode:04o} becomes {self.mode:04o}")

    async def apply(self, found: Finding) -> None:
        make_folder(self.path.parent, 0o755)
        path = self.path
        if self.always_kept and path.exists():
            path = path.resolve()  # what a link leads to
            path.chmod(self.mode)
        else:
            write_atomically(path, self.content, self.mode)
        owner = self.owner()
        if owner is not None:
            self.machine.give(path, owner)


@dataclass(frozen=True, slots=True)
class LinkStep:
    """A link in the path of people's shells, where no `edged` is in it."""

    path: Path
    script: Path
    program_path: tuple[Path, ...]

    @property
    def what(self) -> str:
        return f"link {self.path}"

    async def look(self) -> Finding:
        if self.path.is_symlink():
            target = link_target(self.path)
            if target == self.script:
                return UNCHANGED
            if not target.exists():
                return Finding("update", f"it led to {target}, which is gone")
            return Finding("kept", f"it leads to {target}")
        found = next((folder / "edged" for folder in self.program_path if (folder / "edged").exists()), None)
        return Finding("create", f"to {self.script}") if found is None else Finding("skipped", f"{found} is there")

    async def apply(self, found: Finding) -> None:
        make_folder(self.path.parent, 0o755)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(self.script)


def link_target(link: Path) -> Path:
    """Where it leads, as an absolute path; further links are not followed."""
    return Path(os.path.normpath(link.parent / os.readlink(link)))


@dataclass(slots=True)
class SystemdReload:
    """`systemctl daemon-reload`, where a unit file changed since systemd read it."""

    machine: Machine
    changed: Callable[[], bool]
    what: str = "systemctl daemon-reload"

    async def look(self) -> Finding:
        if not self.changed():
            return NOTHING
        if not self.machine.systemd_runs:
            return Finding("skipped", "systemd does not run here")
        return Finding("run")

    async def apply(self, found: Finding) -> None:
        self.machine.systemctl("daemon-reload")

