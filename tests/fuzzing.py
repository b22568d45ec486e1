"""Bytes nearly right: samples that hypothesis breaks at random, for readers of what others send.

The tests that use this make the same few hundred inputs each time. EDGED_FUZZ=20000 makes that many per test, others
each time (.ci/long does); what hypothesis prints for a failure makes it again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("EDGED_FUZZ", "0"))

bounded = settings(
    max_examples=EXAMPLES or 300,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,  # the machine decides how long an example takes
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
"""For every test that fuzzes."""

TELLING = (b"\0", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xff" * 5 + b"\x0f", b"\xff" * 9 + b"\x01", b"\xff" * 12)
"""Bytes that often matter where numbers of variable length stand."""


@st.composite
def broken(draw: st.DrawFn, samples: Sequence[bytes], pieces: Sequence[bytes] = TELLING) -> bytes:
    """A sample with up to six changes: bytes replaced, put in, taken out, repeated or cut off; or bytes of no sense.

    `pieces` are put in more often than others.
    """
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = draw(st.sampled_from(samples))
    piece = st.one_of(st.sampled_from(pieces), st.binary(min_size=1, max_size=8), st.sampled_from(samples))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 16)))
        match draw(st.sampled_from(("replace", "insert", "delete", "repeat", "cut"))):
            case "replace":
                new = draw(piece)
                data = data[:at] + new + data[at + len(new) :]
            case "insert":
                data = data[:at] + draw(piece) + data[at:]
            case "delete":
                data = data[:at] + data[end:]
            case "repeat":
                data = data[:end] + data[at:end] * draw(st.integers(1, 20)) + data[end:]
            case "cut":
                data = data[:at]
    return data


@st.composite
def in_parts(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> list[bytes]:
    """The same bytes, cut where a network might."""
    data = draw(whole)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    ends = [0, *cuts, len(data)]
    return [part for start, end in pairwise(ends) if (part := data[start:end])]
