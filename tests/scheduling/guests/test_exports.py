"""Exports, combinations and packed results of scheduler guests."""

from __future__ import annotations

import itertools

import pytest

from edged.scheduling.guests.exports import (
    EXPORTS,
    POINTS,
    WrongModule,
    call_error,
    check_combination,
    halves,
    permit_result,
    recognised,
    wired,
)
from edged.wasm.binary import Export

MEMORY = {"memory": Export("memory")}
ALL = frozenset(EXPORTS)


def exports(*names: str, **others: Export) -> dict[str, Export]:
    return MEMORY | {name: Export("func", "", EXPORTS[name]) for name in names} | others


def test_all_fifteen_are_recognised_and_others_ignored():
    found = recognised(exports(*EXPORTS, malloc=Export("func", "i", "i"), score_global=Export("global")))
    assert found == ALL and len(ALL) == 15


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("filter", Export("func", "", "I"), "() -> (i32)"),
        ("filter", Export("func", "i", "i"), "() -> (i32)"),
        ("postfilter", Export("func", "", "i"), "() -> (i64)"),
        ("permit", Export("func", "", "i"), "() -> (i64)"),
        ("unreserve", Export("func", "", "i"), "() -> ()"),
        ("enqueue", Export("func", "", "i"), "() -> ()"),
        ("addpod", Export("func", "", ""), "() -> ()"),
        ("removepod", Export("func", "", "I"), "() -> ()"),
    ],
)
def test_wrong_signatures(name: str, given: Export, wanted: str):
    with pytest.raises(WrongModule) as caught:
        recognised(MEMORY | {name: given})
    text = f"wasm: guest exports the wrong signature for func[{name}]. should be {wanted}"
    assert str(caught.value) == text


def test_no_memory_and_no_functions():
    with pytest.raises(WrongModule, match=r"^wasm: guest doesn't export memory\[memory\]$"):
        recognised({"filter": Export("func", "", "i")})
    with pytest.raises(WrongModule, match=r"^wasm: guest does not export any plugin functions$"):
        recognised(MEMORY | {"filter": Export("global"), "main": Export("func")})


@pytest.mark.parametrize("name", ["filter", "score", "reserve", "unreserve", "permit", "bind"])
def test_one_that_decides_is_enough(name: str):
    check_combination(frozenset({name}))
    check_combination(frozenset({name, "prefilter", "enqueue"}))


def test_every_combination_of_those_that_decide_is_accepted():
    for size in range(1, 6):
        for chosen in itertools.combinations(("filter", "score", "reserve", "permit", "bind"), size):
            check_combination(frozenset(chosen))


@pytest.mark.parametrize(
    "names",
    [{"prescore"}, {"normalizescore"}, {"postfilter"}, {"prebind"}, {"postbind"}, {"addpod"}, {"enqueue"},
     {"prefilter", "enqueue"}, {"prefilter", "prescore"}],
)  # fmt: skip
def test_what_decides_nothing_is_refused(names: set[str]):
    with pytest.raises(WrongModule) as caught:
        check_combination(frozenset(names))
    assert str(caught.value) == "wasm: filter, score, reserve, permit or bind must be exported"


def test_prefilter_may_be_alone():
    check_combination(frozenset({"prefilter"}))


def test_by_default_everything_is_wired_but_bind():
    assert wired(ALL, ()) == ALL - {"bind"} - {"enqueue"} | {"enqueue"}


def test_coupled_exports_need_their_owner():
    names = frozenset({"filter", "prescore", "normalizescore", "postbind", "prebind", "addpod"})
    assert wired(names, ()) == {"filter", "addpod"}
    assert wired(frozenset({"score", "addpod", "postfilter", "prescore"}), ()) == {"score", "prescore"}


def test_points_restrict_and_opt_in():
    assert wired(ALL, ["filter"]) == {"filter", "addpod", "removepod"}
    assert wired(ALL, ["score", "bind"]) == {"score", "normalizescore", "bind"}
    assert wired(ALL, ["reserve"]) == {"reserve", "unreserve"}
    assert wired(ALL, POINTS) == ALL - {"enqueue"}


def test_points_that_the_module_lacks_are_refused():
    with pytest.raises(WrongModule) as caught:
        wired(frozenset({"prefilter", "filter"}), ["score"])
    assert str(caught.value) == "points: the module does not implement score (it has prefilter, filter)"
    with pytest.raises(WrongModule, match="postfilter"):
        wired(frozenset({"score", "postfilter"}), ["postfilter"])
    with pytest.raises(WrongModule, match="no effect without score"):
        wired(ALL, ["prescore"])


@pytest.mark.parametrize("number", [0, 1, -1, 100, -2147483648, 2147483647])
def test_halves_are_signed(number: int):
    for other in (0, -1, 5):
        packed = (number & 0xFFFFFFFF) << 32 | (other & 0xFFFFFFFF)
        assert halves(packed) == (number, other)
        assert halves(packed - (1 << 64) if packed >> 63 else packed) == (number, other)


def test_the_permit_timeout_is_unsigned():
    assert permit_result(4 << 32 | 0xFFFFFFFF) == (4, 4294967295)
    assert permit_result(-1) == (-1, 4294967295)


def test_error_texts():
    assert call_error("score", b"", "wasm error: unreachable") == "wasm: score error: wasm error: unreachable"
    text = call_error("filter", b"panic: oh no\n", "wasm error: unreachable")
    assert text == "wasm: filter error: panic: oh no\n\nwasm error: unreachable"
