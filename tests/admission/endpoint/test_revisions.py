"""What the API server may still go by, against a model that remembers every revision."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.admission.endpoint.revisions import MAX_GONE, Revisions

GRACE_S = 30.0
KEYS = st.sampled_from(["a", "b", "c", "d", b"CA 1", b"CA 2"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.frozensets(KEYS)),
        st.tuples(st.just("went by"), st.integers(0, 12)),
        st.tuples(st.just("wait"), st.floats(0, 2 * GRACE_S)),
    ),
    max_size=40,
)


class Model:
    """Every revision that was ever offered, and when it was known to be replaced."""

    def __init__(self) -> None:
        self.offered: list[frozenset[str | bytes]] = []
        self.replaced_at: dict[int, float] = {}

    def offer(self, keys: frozenset[str | bytes]) -> int:
        if not self.offered or self.offered[-1] != keys:
            self.offered.append(keys)
        return len(self.offered)

    def went_by(self, revision: int, now: float) -> None:
        for number in range(1, min(revision, len(self.offered) + 1)):
            self.replaced_at.setdefault(number, now)

    def relied_on(self, now: float) -> set[str | bytes]:
        return {
            key
            for number, keys in enumerate(self.offered, 1)
            for key in keys
            if number not in self.replaced_at or now < self.replaced_at[number] + GRACE_S
        }


@given(STEPS)
def test_what_any_revision_names_that_may_be_in_force_is_relied_on(steps: list[tuple[str, object]]) -> None:
    revisions, model, now = Revisions(GRACE_S), Model(), 0.0
    for step, value in steps:
        if step == "offer":
            assert isinstance(value, frozenset)
            assert revisions.offer(value) == model.offer(value)
        elif step == "went by":
            assert isinstance(value, int)
            revision = min(value, revisions.last)
            revisions.went_by(revision, now)
            model.went_by(revision, now)
        else:
            assert isinstance(value, float)
            now += value
        expected = model.relied_on(now)
        assert set(revisions.relied_on(now)) == expected
        assert {key for key in ["a", "b", "c", "d", b"CA 1", b"CA 2"] if revisions.is_relied_on(key, now)} == expected


@given(STEPS, KEYS)
def test_what_was_offered_is_relied_on_until_a_later_revision_is_known_to_be_in_force(
    steps: list[tuple[str, object]], key: str | bytes
) -> None:
    """However much was offered meanwhile, and however long that took."""
    revisions = Revisions(GRACE_S)
    mine = revisions.offer([key])
    now = 0.0
    for step, value in steps:
        if step == "offer":
            assert isinstance(value, frozenset)
            revisions.offer(value)
        elif step == "went by":
            revisions.went_by(mine, now)  # told again and again that this very one is in force
        else:
            now += 1e6
        assert revisions.is_relied_on(key, now)


def test_what_tenants_make_and_remove_is_bounded() -> None:
    revisions = Revisions(GRACE_S)
    for number in range(3 * MAX_GONE):
        revisions.offer(["kept", f"tenant-{number}"])
    relied_on = revisions.relied_on(0.0)
    assert len(relied_on) == MAX_GONE + 2 and {"kept", f"tenant-{3 * MAX_GONE - 1}"} <= set(relied_on)
    assert not revisions.is_relied_on("tenant-0", 0.0)
    assert revisions.is_relied_on(f"tenant-{2 * MAX_GONE}", 0.0)
    revisions.went_by(revisions.last, 0.0)
    assert len(revisions.relied_on(GRACE_S)) == 2
