"""Names that are too long for a table, cut so that they can still be told apart. Pure.

picture.js does the same for the page. Called by report.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def shorten(names: Iterable[str], room: int) -> dict[str, str]:
    """Name -> at most `room` characters of it. The domain that most names end with goes first. Then all are cut at the
    place that keeps most of them apart, best in the middle; those that read alike all the same begin with their
    number."""
    known = list(dict.fromkeys(names))
    if all(len(name) <= room for name in known):
        return {name: name for name in known}
    base = _without_domain(known)
    head = _best_place(base, room)
    cut = [_cut(name, head, room) for name in base]
    times = Counter(cut)
    for index, name in enumerate(base):
        if times[cut[index]] > 1:
            left = max(3, room - len(f"{index + 1} "))
            cut[index] = f"{index + 1} {_cut(name, min(head, left - 2), left)}"
    return dict(zip(known, cut, strict=True))


def _without_domain(names: Sequence[str]) -> Sequence[str]:
    """`a.example.lan` is `a` here, and `a.example.lan-added-1` is `a…-added-1`, if several names have that domain."""
    domains = Counter(name[name.index(".") :] for name in names if "." in name and name[-1].isalpha())
    domain, count = max(domains.items(), key=lambda item: item[1], default=("", 0))
    if count < 2:
        return names
    short = [name.removesuffix(domain).replace(domain, "…") for name in names]
    return short if len(set(short)) == len(names) else names


def _best_place(names: Sequence[str], room: int) -> int:
    middle, best, most = room // 2, room // 2, 0
    for head in sorted(range(1, room - 1), key=lambda head: abs(head - middle)):
        apart = len({_cut(name, head, room) for name in names})
        if apart > most:
            best, most = head, apart
        if most == len(names):
            break
    return best


def _cut(name: str, head: int, room: int) -> str:
    return name if len(name) <= room else f"{name[:head]}…{name[len(name) - (room - 1 - head) :]}"
