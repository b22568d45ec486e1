"""Whatever an object holds where Kubernetes' types are expected: it is encoded, or one error names the field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edged.scheduling.guests.object_encoding import EncodeError, canonical_quantity, encode
from tests.fuzzing import bounded
from tests.scheduling.guests.protobuf_decode import decode
from tests.scheduling.guests.test_object_encoding import POD

VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20),
        st.sampled_from(["1Gi", "1e400", "-0", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9" * 5000]),
        st.just("\ud800"),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=8), st.sampled_from(["name", "spec"])), inner, max_size=3),
    ),
    max_leaves=12,
)  # fmt: skip


def places(obj: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything in an object but itself."""
    children = obj.items() if isinstance(obj, dict) else enumerate(obj) if isinstance(obj, list) else ()
    for key, value in children:
        yield (*path, key)
        yield from places(value, (*path, key))


def replaced(obj: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = obj.copy()
    copy[path[0]] = replaced(obj[path[0]], path[1:], value)
    return copy


@bounded
@given(st.sampled_from(list(places(POD))), VALUES)
def test_a_pod_with_something_else_in_one_place(path: tuple[Any, ...], value: Any) -> None:
    try:
        data = encode("Pod", replaced(POD, path, value))
    except EncodeError as error:
        assert str(error).startswith("Pod.")
    else:
        assert decode("Pod", data).keys() <= POD.keys()


@bounded
@given(
    st.one_of(
        st.text(max_size=12), st.from_regex(r"[+-]?[0-9]{0,20}(\.[0-9]{0,12})?([eE][+-]?[0-9]{1,4}|[numkMGTPE]i?)?")
    )
)
def test_a_quantity_in_its_own_form_stays(text: str) -> None:
    try:
        canonical = canonical_quantity(text)
    except ValueError:
        return
    assert canonical_quantity(canonical) == canonical
