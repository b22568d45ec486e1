"""The answers of a shared webhook's members, joined to the one that the API server gets. Pure.

Denied when any member denies. A denial names each member that denies, in order, whatever has to be cut: a client, an
event or a log shows one text, and who is missing there is not looked for. What one member says takes no room from the
others: texts that are too long together are cut to the same length, shorter ones stay whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from edged.admission.rules.review import AdmissionResponse

MOST_TEXT = 16 << 10
"""Bytes of the message, and of the causes together. Only the names may take more."""
MOST_WARNINGS = 4096
"""Characters of all warnings of a request that the API server passes on; of more than that it cuts each one to
`LONGEST_WARNING`, and leaves out what comes after so many."""
LONGEST_WARNING = 256
LONGEST_KEY = 63
"""Characters of an audit annotation's key behind the webhook's name and a slash, which makes a qualified name."""
_DIGEST = 8
_CUT = "..."
_UNEXPLAINED = "no reason given"

Answers = Sequence[tuple[str, AdmissionResponse]]
"""Members' names and what each of them answers, in order."""


def join(uid: str, answers: Answers) -> AdmissionResponse:
    """The answer of all. Patches are none of a validating webhook's: the API server takes them for a failure."""
    refusals = [(name, answer) for name, answer in answers if not answer.allowed]
    return AdmissionResponse(
        uid,
        not refusals,
        None,
        _status(refusals) if refusals else None,
        _warnings([answer.warnings for _, answer in answers if answer.warnings]),
        _annotations(answers),
    )


def _status(refusals: Answers) -> dict[str, Any]:
    """The code is the first one's, the message says who denies and why."""
    statuses = [answer.status or {} for _, answer in refusals]
    texts = [str(status.get("message") or _UNEXPLAINED) for status in statuses]
    heads = [f"[{name}] " for name, _ in refusals]
    room = MOST_TEXT - sum(len(head.encode()) + 1 for head in heads)
    status: dict[str, Any] = {"message": "\n".join(map(str.__add__, heads, _fitted(texts, room)))}
    if statuses[0].get("code") is not None:
        status["code"] = statuses[0]["code"]
    if causes := [cause for each in statuses for cause in (each.get("details") or {}).get("causes") or ()]:
        messages = _fitted([str(cause.get("message") or "") for cause in causes], MOST_TEXT)
        status["details"] = {
            "causes": [{**cause, "message": text} for cause, text in zip(causes, messages, strict=True)]
        }
    return status


def _fitted(texts: Sequence[str], room: int) -> list[str]:
    """The texts, cut where they take more than so many bytes together."""
    sizes = [len(text.encode(errors="replace")) for text in texts]
    if sum(sizes) <= room:
        return list(texts)
    most = _share(sizes, max(room, 0))
    return [text if size <= most else _shortened(text, most) for text, size in zip(texts, sizes, strict=True)]


def _share(sizes: Sequence[int], room: int) -> int:
    """The most that each may have so that all have room: shorter ones leave what they do not need to the others."""
    for left, size in zip(range(len(sizes), 0, -1), sorted(sizes), strict=True):
        if size * left > room:
            return room // left
        room -= size
    return max(sizes, default=0)


def _shortened(text: str, size: int) -> str:
    kept = text.encode(errors="replace")[: max(size - len(_CUT), 0)].decode(errors="ignore")
    return kept + _CUT[: min(size, len(_CUT))]


def _warnings(by_member: Sequence[Sequence[str]]) -> list[str] | None:
    """Each member's first one before anybody's second: so those survive the API server's cut, and are shortened to
    where they all do."""
    said = [[text for text in texts if text] for texts in by_member]
    rounds = [[text for text in each if text] for each in zip_longest(*said)]
    if sum(len(text) for texts in rounds for text in texts) > MOST_WARNINGS:
        most = _share([min(len(text), LONGEST_WARNING) for text in rounds[0]], MOST_WARNINGS)
        rounds[0] = [text if len(text) <= most else text[: max(most - len(_CUT), 0)] + _CUT for text in rounds[0]]
    return [text for texts in rounds for text in texts] or None


def _annotations(answers: Answers) -> dict[str, str] | None:
    joined: dict[str, str] = {}
    for name, answer in answers:
        for key, value in (answer.audit_annotations or {}).items():
            whole = f"{name}.{key}"
            is_free = len(whole) <= LONGEST_KEY and whole not in joined
            joined[whole if is_free else _short_key(name, key)] = value
    return joined or None


def _short_key(name: str, key: str) -> str:
    """`POLICY.KEY` where that is too long, or another policy's too: the key as far as possible, the policy's name as
    far as there is room, and a digest of both, which is the same each time."""
    digest = hashlib.sha256(f"{name}\0{key}".encode(errors="replace")).hexdigest()[:_DIGEST]
    room = LONGEST_KEY - _DIGEST - 2
    shown = key if len(key) <= room - room // 3 else key[: room - room // 3].rstrip("-_.")
    return f"{name[: room - len(shown)]}-{digest}.{shown}"
