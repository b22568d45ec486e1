"""Whether the API server goes by the manifests as they are: from what it says of itself. Pure: time is an argument.

A revision of a manifest is known by the hash of its folder. `wrote` tells what there is on disk, `heard` what the API
server went by after `asking`, `went_wrong` why it could not be asked. Since it was asked, it may have gone on to
whatever was on disk meanwhile. A policy is known to be in force if in all of that its webhook is as it should be, but
for other policies' rules, and has its rules. So what one policy waits for makes no other one wait, and a policy that
asks for what its webhook has already waits for nothing.

Used by static_registration.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from edged.admission.endpoint.manifest_metrics import Loaded
from edged.admission.rules import exemptions
from edged.admission.rules.webhooks import FOLDERS
from edged.json_text import dumps
from edged.records import dataclass

MAX_CONTENTS = 16
"""Contents of one folder that are remembered, besides the one that the API server goes by."""
SLOW_S = 75.0
"""An API server notices a change at once, or where its node gives it no events, within a minute."""
UNREAD = "the API server has not read the last change of {folder} yet"

_FORGOTTEN = "forgotten"
Hook = Mapping[str, object]
Wanted = Mapping[str, tuple[str, Sequence[object]]]
"""Policy -> the webhook that calls it, and its rules in there."""


@dataclass(frozen=True, slots=True)
class _Hook:
    """Digests of a webhook: of each rule, and of all else but the CAs and what follows from the rules. `is_narrowed`:
    whether edged's own condition is there, if the rules need one."""

    rules: frozenset[bytes]
    rest: bytes
    is_narrowed: bool


Hooks = dict[str, _Hook]
"""Webhooks by name."""
_Place = tuple[str, frozenset[bytes]]
"""A policy's webhook, and its rules in there."""


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A folder's content: hash, and when it changed (Unix time)."""

    hash: str
    changed_at: float


@dataclass(slots=True)
class _Folder:
    """`contents`: hash -> (revision, webhooks), the last one last; `wanted`: whom that one calls. `served`: the hash
    that the API server went by when it was asked, None where that is not known. `since`: what was on disk since then;
    `asking`: since it was asked what it has not answered yet. `problem`: why it does not go by the last one; "": it may
    read it any moment."""

    path: str
    contents: dict[str, tuple[int, Hooks]] = field(default_factory=dict)
    wanted: dict[str, _Place] = field(default_factory=dict)
    changed_at: float = 0.0
    served: str | None = None
    since: set[str] = field(default_factory=set)
    asking: set[str] = field(default_factory=set)
    problem: str = ""

    @property
    def is_current(self) -> bool:
        return self.served is not None and {self.served, *self.since} == {next(reversed(self.contents), None)}

    def forget(self, content: str) -> None:
        """It was written too long ago. Where the API server may go by it, nobody knows by what it goes."""
        del self.contents[content]
        for hashes in (self.since, self.asking):
            if content in hashes:
                hashes.remove(content)
                hashes.add(_FORGOTTEN)

    def possible(self) -> list[tuple[int, Hooks]]:
        """Every content that the API server may go by; revision 0 without webhooks for one that is not known."""
        if self.served is None:
            return [(0, {})]
        return [self.contents.get(known, (0, {})) for known in {self.served, *self.since}]


class Evidence:
    """`host`: identity of an API server on this host. `is_named`: whether a person named the API server's address."""

    def __init__(self, static_dir: str, host: str, *, is_named: bool) -> None:
        self._host = host
        self._is_named = is_named
        self._static_dir = static_dir
        self.is_asked = False
        """Whether there was an answer, or a reason why there is none."""
        self._folders = {kind: _Folder(f"{static_dir}/{name}") for kind, name in FOLDERS.items()}

    # --- what happens
    def wrote(self, kind: str, on_disk: OnDisk, revision: int, hooks: Iterable[Hook], wanted: Wanted) -> None:
        """This is in the folder now, and was offered to the API server as that revision. `wanted`: whom it is to
        call."""
        folder = self._folders[kind]
        if folder.contents.pop(on_disk.hash, None) is None and folder.served is not None:
            folder.problem = ""  # it was about another content
        folder.changed_at = on_disk.changed_at
        folder.contents[on_disk.hash] = (revision, {str(hook["name"]): _digests(hook) for hook in hooks})
        folder.wanted = {policy: (name, _digests_of(rules)) for policy, (name, rules) in wanted.items()}
        folder.since.add(on_disk.hash)
        folder.asking.add(on_disk.hash)
        for known in [known for known in folder.contents if known != folder.served][:-MAX_CONTENTS]:
            folder.forget(known)

    def asking(self) -> None:
        """What the API server says next was so after this moment."""
        for folder in self._folders.values():
            folder.asking = set(list(folder.contents)[-1:])

    def heard(self, loaded: Mapping[str, Loaded], server: str, *, is_direct: bool, now: float) -> None:
        """What the API server at the URL `server` said of itself; `is_direct`: at an address of this host."""
        self.is_asked = True
        if not self._is_ours(loaded, is_direct=is_direct):
            self.went_wrong(
                f"the API server that answers at {server} is not known to be the one that reads {self._static_dir}: it "
                "goes by other manifests, and its name is another host's; set [admission] static_api_server to the "
                "address of the right one"
            )
            return
        for kind, folder in self._folders.items():
            said = loaded.get(kind)
            folder.served = said.hash if said is not None else None
            folder.since = set(folder.asking)
            if said is not None:
                folder.problem = _lag(folder, said, now)
            else:
                folder.problem = (
                    f"the API server at {server} reads no manifests for {folder.path}: it takes version 1.37 and the "
                    "--admission-control-config-file that `edged webhook install` writes"
                )

    def _is_ours(self, loaded: Mapping[str, Loaded], *, is_direct: bool) -> bool:
        """Whether it speaks for the API server that reads the folders: it was named, it has this host's name, or it
        goes by a content that only this edged wrote."""
        if self._is_named or not loaded:
            return self._is_named or is_direct
        said = loaded.items()
        return any(each.server == self._host for _, each in said) or any(
            each.hash and each.hash in self._folders[kind].contents for kind, each in said
        )

    def went_wrong(self, problem: str) -> None:
        """The API server could not be asked. What is known stays known: one that comes back reads the same files."""
        self.is_asked = True
        for folder in self._folders.values():
            if not folder.is_current:
                folder.problem = problem

    # --- what follows
    @property
    def problem(self) -> str:
        """Why it is not known that the API server goes by all that was written; "" where it does, or may any moment."""
        problems = [folder.problem for folder in self._folders.values() if folder.problem and not folder.is_current]
        return "; ".join(dict.fromkeys(problems))

    @property
    def is_current(self) -> bool:
        """Whether the API server is known to go by all that was written."""
        return all(folder.is_current for folder in self._folders.values())

    @property
    def is_behind(self) -> bool:
        """Whether the API server was asked after the last change, and went by something else."""
        return any(
            folder.served not in (None, last) and folder.since == {last}
            for folder in self._folders.values()
            for last in list(folder.contents)[-1:]
        )

    @property
    def revision(self) -> int:
        """The API server is known to go by this revision or a later one; 0 where nothing is known."""
        return min(revision for folder in self._folders.values() for revision, _ in folder.possible())

    def waiting(self) -> dict[str, str]:
        """Policies that the API server is not known to ask as it should, and why."""
        waiting = {}
        for folder in self._folders.values():
            if folder.is_current or not folder.contents:
                continue
            _, last = folder.contents[next(reversed(folder.contents))]
            possible = [hooks for _, hooks in folder.possible()]
            why = folder.problem or UNREAD.format(folder=folder.path)
            for policy, (name, rules) in folder.wanted.items():
                if not all(_calls(hooks.get(name), last[name], rules) for hooks in possible):
                    waiting[policy] = why
        return waiting


def _lag(folder: _Folder, said: Loaded, now: float) -> str:
    """Why it does not go by the last content; "": it may read that any moment."""
    if folder.is_current:
        return ""
    if said.refused_at is not None and said.refused_at >= folder.changed_at:
        return (
            f"the API server refused {folder.path} as it is now, goes on with what it had read before, and would not "
            'start like this: its log says why ("reloading admission manifest config")'
        )
    if now - folder.changed_at > SLOW_S:
        return f"the API server goes by other manifests than those in {folder.path}: does it read this folder?"
    return ""


def _calls(there: _Hook | None, wanted: _Hook, rules: frozenset[bytes]) -> bool:
    """Whether a webhook as it may be calls a policy as it is to be called."""
    return (
        there is not None
        and there.rest == wanted.rest
        and there.is_narrowed == wanted.is_narrowed
        and rules <= there.rules
    )


def _digests(hook: Hook) -> _Hook:
    """Without the CAs: while they change, the API server trusts both. Where edged's own condition is what edged makes
    of the webhook's rules, it follows from them; another one is compared as it is."""
    config, rules, conditions = hook.get("clientConfig"), hook.get("rules"), hook.get("matchConditions")
    rules = rules if isinstance(rules, list) else []
    kept = {key: value for key, value in config.items() if key != "caBundle"} if isinstance(config, Mapping) else None
    conditions = conditions if isinstance(conditions, list) else []
    own = _own_condition(rules)
    others = [each for each in conditions if each != own]
    rest = {**hook, "clientConfig": kept, "rules": None, "matchConditions": others}
    return _Hook(_digests_of(rules), _digest_of(rest), own is None or own in conditions)


def _own_condition(rules: Sequence[Any]) -> dict[str, str] | None:
    try:
        return exemptions.condition(rules)
    except (TypeError, KeyError, AttributeError):  # of a file that somebody changed
        return None


def _digests_of(rules: Iterable[object]) -> frozenset[bytes]:
    return frozenset(map(_digest_of, rules))


def _digest_of(value: object) -> bytes:
    return hashlib.blake2b(dumps(value, sort=True), digest_size=16).digest()
