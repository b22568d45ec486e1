"""Folders and links: what is the daemon's own is put right, what may be somebody else's is not touched."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from edged.cli.installation.local_steps import FileStep, FolderStep, LinkStep, ReadableFolderStep
from edged.cli.installation.machine import Owner
from edged.cli.installation.removal_steps import DeleteFolder, DeleteLink
from edged.cli.installation.steps import UNCHANGED, Step
from edged.errors import EdgedError
from tests.cli.installation.place import FakeMachine

DAEMON = Owner(os.geteuid() + 1, os.getegid() + 1)


class Chowns(FakeMachine):
    """Notes to whom files are given."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.given: set[Path] = set()

    def give(self, path: Path, owner: Owner, folder: int | None = None) -> None:
        assert owner.gid == DAEMON.gid
        where = path.parent.resolve() if folder is None else Path(os.readlink(f"/proc/self/fd/{folder}"))
        self.given.add(where / path.name)


def carry_out(step: Step) -> str:
    async def main() -> str:
        found = await step.look()
        if found.is_change:
            await step.apply(found)
        return found.change

    return trio.run(main)


def test_what_root_left_in_the_usual_folder_is_given_to_the_daemon(tmp_path: Path) -> None:
    machine, folder = Chowns(tmp_path), tmp_path / "cache"
    (folder / "a").mkdir(parents=True)
    (folder / "a/b").touch()
    (folder / "out").symlink_to("/etc/passwd")
    assert carry_out(FolderStep(machine, folder, 0o700, lambda: DAEMON, usual=True)) == "update"
    assert machine.given == {folder, folder / "a", folder / "a/b", folder / "out"}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_another_name_with_something_in_it_is_not_taken(tmp_path: Path) -> None:
    machine, folder = Chowns(tmp_path), tmp_path / "shared"
    folder.mkdir(mode=0o755)
    (folder / "theirs").touch()
    with pytest.raises(EdgedError, match=rf"not empty.* chown -R edged: {folder}"):
        carry_out(FolderStep(machine, folder, 0o700, lambda: DAEMON))
    assert not machine.given and folder.stat().st_mode & 0o777 == 0o755
    (folder / "theirs").unlink()
    assert carry_out(FolderStep(machine, folder, 0o700, lambda: DAEMON)) == "update" and machine.given == {folder}


def test_a_folder_that_becomes_a_link_meanwhile_gives_nothing_away(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "state", tmp_path / "etc"
    for path in (folder / "a", elsewhere):
        path.mkdir(parents=True)
        (path / "shadow").touch()

    class Swapped(Chowns):
        def give(self, path: Path, owner: Owner, folder: int | None = None) -> None:
            super().give(path, owner, folder)
            if path.name == "a":
                path.rename(path.with_name("b"))
                path.symlink_to(elsewhere)

    machine = Swapped(tmp_path)
    with suppress(OSError):
        carry_out(FolderStep(machine, folder, 0o700, lambda: DAEMON, usual=True))
    assert folder / "a" in machine.given and not any(path.is_relative_to(elsewhere) for path in machine.given)


@pytest.mark.parametrize("usual", [True, False])
def test_a_closed_folder_of_another_name_keeps_its_owner_and_mode(tmp_path: Path, usual: bool) -> None:
    machine, folder = Chowns(tmp_path), tmp_path / "alice"
    folder.mkdir(mode=0o700)
    step = ReadableFolderStep(machine, folder, lambda: DAEMON, usual=usual)
    if usual:
        assert carry_out(step) == "update" and machine.given == {folder} and folder.stat().st_mode & 0o777 == 0o750
        return
    with pytest.raises(EdgedError, match=rf"may not read it.* chgrp edged {folder} && chmod g\+rx {folder}"):
        carry_out(step)
    assert not machine.given and folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    assert carry_out(step) == "unchanged"


def test_a_configuration_behind_a_link_is_given_and_not_the_link(tmp_path: Path) -> None:
    machine, real, link = Chowns(tmp_path), tmp_path / "real.toml", tmp_path / "edged.toml"
    machine.users.add("edged")
    real.touch(mode=0o000)
    real.chmod(0)
    link.symlink_to(real)
    step = FileStep(machine=machine, path=link, content=b"", mode=0o640, owner=lambda: DAEMON, always_kept=True)
    assert carry_out(step) == "update"
    assert machine.given == {real} and link.is_symlink() and real.stat().st_mode & 0o777 == 0o640


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(EdgedError, match="is not a folder"):
        carry_out(FolderStep(Chowns(tmp_path), tmp_path / "state", 0o700, lambda: DAEMON))


def test_only_the_daemons_own_folders_are_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    (folder / "a").mkdir(parents=True)
    for owner in (None, DAEMON):
        assert carry_out(DeleteFolder(folder, owner)) == "kept" and folder.is_dir()
    (tmp_path / "link").symlink_to(folder)
    mine = Owner(os.geteuid(), os.getegid())
    assert carry_out(DeleteFolder(tmp_path / "link", mine)) == "kept" and (folder / "a").is_dir()
    assert carry_out(DeleteFolder(folder, mine, (folder / "a/state",))) == "kept" and (folder / "a").is_dir()
    assert carry_out(DeleteFolder(folder, mine, (tmp_path / "cache-2",))) == "delete" and not folder.exists()
    assert carry_out(DeleteFolder(folder, mine)) == "nothing"


def test_a_link_is_made_where_no_edged_is_in_the_path(tmp_path: Path) -> None:
    script, link, other = tmp_path / "opt/edged", tmp_path / "bin/edged", tmp_path / "usr/edged"
    for path in (script, other):
        path.parent.mkdir()
        path.touch()
    assert carry_out(LinkStep(link, script, (other.parent,))) == "skipped" and not link.exists()
    other.unlink()
    step = LinkStep(link, script, (other.parent,))
    assert carry_out(step) == "create" and link.readlink() == script
    assert trio.run(step.look) == UNCHANGED
    moved = tmp_path / "opt/edged-2"
    script.rename(moved)  # the program moved to another place
    assert carry_out(LinkStep(link, moved, ())) == "update" and link.readlink() == moved
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    assert carry_out(LinkStep(link, elsewhere, ())) == "kept" and carry_out(DeleteLink(link, elsewhere)) == "kept"
    link.unlink()
    link.symlink_to("../opt/edged-2")  # relative to its own folder, wherever the command runs
    assert carry_out(LinkStep(link, elsewhere, ())) == "kept" and carry_out(DeleteLink(link, elsewhere)) == "kept"
    assert carry_out(LinkStep(link, moved, ())) == "unchanged"
    assert carry_out(DeleteLink(link, moved)) == "delete" and not link.is_symlink()
