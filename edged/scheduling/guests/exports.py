"""What a scheduler guest exports: names, signatures, allowed combinations, packed results, error texts. Pure.

The contract is the guest ABI of kube-scheduler-wasm-extension (its folder `scheduler/plugin`); texts that
users and tests of that project know are kept letter by letter. The functions that guests import are in
`scheduler.py`. Called when a module is loaded and after every call (`edged/scheduling/guests/guest.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from edged.errors import GuestError
from edged.wasm.binary import Export

# Recognised exports: the letter of the result ("i" = i32, "I" = i64, "" = none). None takes parameters.
EXPORTS: Final[dict[str, str]] = {
    "enqueue": "", "prefilter": "i", "addpod": "i", "removepod": "i", "filter": "i", "postfilter": "I",
    "prescore": "i", "score": "I", "normalizescore": "i", "reserve": "i", "unreserve": "", "permit": "I",
    "prebind": "i", "bind": "i", "postbind": "",
}  # fmt: skip

# Exports that take effect only when the module also exports one of these.
OWNERS: Final[dict[str, frozenset[str]]] = {
    "addpod": frozenset({"filter"}),
    "removepod": frozenset({"filter"}),
    "postfilter": frozenset({"filter"}),
    "prescore": frozenset({"score"}),
    "normalizescore": frozenset({"score"}),
    "prebind": frozenset({"bind"}),
    "postbind": frozenset({"bind"}),
}

# The names that the configuration key `points` knows, and the exports each one wires.
POINTS: Final[dict[str, tuple[str, ...]]] = {
    "prefilter": ("prefilter",),
    "filter": ("filter", "addpod", "removepod"),
    "postfilter": ("postfilter",),
    "prescore": ("prescore",),
    "score": ("score", "normalizescore"),
    "reserve": ("reserve", "unreserve"),
    "permit": ("permit",),
    "prebind": ("prebind",),
    "bind": ("bind",),
    "postbind": ("postbind",),
}

_BASIC = frozenset({"filter", "score", "reserve", "unreserve", "permit", "bind"})
_RESULT_TEXT = {"": "() -> ()", "i": "() -> (i32)", "I": "() -> (i64)"}


class WrongModule(GuestError):
    """The module cannot be a scheduler plugin: nothing to call, a wrong signature, nothing that decides."""


def recognised(exports: Mapping[str, Export]) -> frozenset[str]:
    """The plugin functions among a module's exports. WrongModule: no memory, none, a wrong signature."""
    memory = exports.get("memory")
    if memory is None or memory.kind != "memory":
        raise WrongModule("wasm: guest doesn't export memory[memory]")
    names = [name for name in EXPORTS if name in exports and exports[name].kind == "func"]
    if not names:
        raise WrongModule("wasm: guest does not export any plugin functions")
    for name in names:
        if exports[name].params or exports[name].results != EXPORTS[name]:
            # The extension's own text names `() -> ()` for these two, although it asks for an i32.
            result = "" if name in ("addpod", "removepod") else EXPORTS[name]
            signature = _RESULT_TEXT[result]
            raise WrongModule(
                f"wasm: guest exports the wrong signature for func[{name}]. should be {signature}"
            )
    return frozenset(names)


def check_combination(exports: frozenset[str]) -> None:
    """Raises WrongModule when nothing that decides is exported. `prefilter` may be alone."""
    if not exports & _BASIC and exports != {"prefilter"}:
        raise WrongModule("wasm: filter, score, reserve, permit or bind must be exported")


def wired(exports: frozenset[str], points: Iterable[str]) -> frozenset[str]:
    """The exports whose verdicts count. `points`: names of POINTS; empty: all that are exported, except `bind`.

    `prefilter` is always called, because guests reset themselves in it, and so is `enqueue`. A configuration that
    leaves `prefilter` out ignores its verdict. Raises WrongModule for a point that the module does not export.
    """
    effective = {name for name in exports if not (name in OWNERS and not OWNERS[name] & exports)}
    chosen = list(points)
    if not chosen:
        return frozenset(effective - {"bind"})
    for point in chosen:
        if not effective & set(POINTS[point]):
            raise WrongModule(
                f"points: the module does not implement {point} (it has {', '.join(points_in(effective))})"
            )
    if "prescore" in chosen and "score" not in chosen:
        raise WrongModule("points: prescore has no effect without score")
    return frozenset(effective & {name for point in chosen for name in POINTS[point]})


def why_not_called(name: str) -> str:
    """Of an export that is recognised and not wired where no `points` are chosen."""
    if name == "bind":
        return 'only if `points` names "bind"'
    return f"only if the module also exports {' or '.join(sorted(OWNERS[name]))}"


def points_in(exports: Collection[str]) -> list[str]:
    """The points that exports serve, by the names of POINTS and in its order."""
    return [point for point, names in POINTS.items() if not set(names).isdisjoint(exports)]


def halves(result: int) -> tuple[int, int]:
    """(high, low) of an i64 result, each as a signed 32-bit number."""
    high, low = result >> 32 & 0xFFFFFFFF, result & 0xFFFFFFFF
    return high - ((high >> 31) << 32), low - ((low >> 31) << 32)


def permit_result(result: int) -> tuple[int, int]:
    """(status code, timeout in ms), packed the other way round than scores are. The timeout is unsigned."""
    return halves(result)[0], result & 0xFFFFFFFF


def call_error(export: str, output: bytes, error: str) -> str:
    """The message of a failed call: what the guest printed comes first, as the guest printed it."""
    printed = output.decode(errors="replace") + "\n" if output else ""
    return f"wasm: {export} error: {printed}{error}"
