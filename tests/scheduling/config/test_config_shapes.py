"""Values of one shape in decoded YAML: durations."""

import pytest

from edged.scheduling.config.config_shapes import duration_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15.0), ("1h2m3.5s", 3723.5), ("250ms", 0.25), ("0", 0.0), (2_000_000_000, 2.0)]
)
def test_durations(text, seconds):
    assert duration_s(text, "x", 9.0) == seconds
    assert duration_s(None, "x", 9.0) == 9.0
