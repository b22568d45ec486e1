"""What the exports of a compiled module say about images of its instances."""

import pytest

from edged.wasm.image_exports import image_support


@pytest.mark.parametrize(
    ("compiled", "original", "expected"),
    [
        (("memory", "edged.image.global.1", "edged.image.possible"), ("memory",), ("", ("edged.image.global.1",))),
        (("a", "edged.image.possible"), ("a",), ("", ())),
        (("a", "edged.image.none: function 5 has table.set"), ("a",), ("function 5 has table.set", ())),
        (("a",), ("a",), ("it has no code that edged can decode", ())),
    ],
)
def test_the_names_say_what_is_possible(compiled, original, expected):
    assert image_support(compiled, original) == expected


@pytest.mark.parametrize("name", ["edged.image.possible", "edged.image.global.0", "edged.image.none: x"])
def test_a_module_cannot_say_it_of_itself(name):
    reason, names = image_support((name, "edged.image.possible"), (name,))
    assert "reserved for edged" in reason
    assert names == ()
