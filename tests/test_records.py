"""Our dataclass beside the standard one: each case is made with both, and has to behave the same."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import pytest

from edged.records import dataclass

KINDS = [
    {"frozen": True, "slots": True},
    {"slots": True},
    {"frozen": True, "slots": True, "kw_only": True},
    {"slots": True, "eq": False},
    {"frozen": True, "slots": True, "eq": False},
    {"frozen": True, "kw_only": True},
    {},
]


def point(make, options):
    class Point:
        x: int
        y: int = 2
        tags: list = dataclasses.field(default_factory=list, compare=False)
        hidden: int = dataclasses.field(default=5, init=False, repr=False)

        def total(self):
            return self.x + self.y

    return make(**options)(Point)


def outcome(function):
    try:
        return function()
    except (TypeError, AttributeError) as error:
        return type(error)


@pytest.mark.parametrize("options", KINDS)
def test_it_behaves_as_the_standard_one(options):
    def seen(make):
        cls = point(make, options)
        one, same, other = cls(x=1, tags=[7]), cls(x=1), cls(x=1, y=3)
        return [
            repr(one).replace(cls.__qualname__, ""), one == same, one == other, one != other, one == 1, one.total(),
            outcome(lambda: hash(one) == hash(same)), outcome(lambda: hash(other) == hash(same)),
            cls.__match_args__, [(f.name, f.default) for f in dataclasses.fields(cls)], cls.__hash__ is None,
            outcome(lambda: cls(1).y), outcome(lambda: cls(1, 2, [3], 4)), outcome(lambda: cls()),
            outcome(lambda: cls(z=1)),
            outcome(lambda: setattr(one, "x", 4)), outcome(lambda: delattr(one, "x")),
            isinstance(outcome(lambda: setattr(one, "new", 4)), type),
            outcome(lambda: one.x), one.hidden, cls(x=1).tags is cls(x=1).tags, hasattr(one, "__dict__"),
            dataclasses.replace(other, y=9).y, dataclasses.asdict(other), outcome(lambda: copy.copy(other).y),
            dataclasses.is_dataclass(one), cls.__init__.__name__, cls.__init__.__qualname__.endswith("Point.__init__"),
        ]  # fmt: skip

    assert seen(dataclass) == seen(dataclasses.dataclass)


@pytest.mark.parametrize("make", [dataclass, dataclasses.dataclass])
def test_methods_of_the_class_stay(make):
    @make(frozen=True, slots=True)
    class Own:
        x: int

        def __eq__(self, other):
            return True

        def __repr__(self):
            return "own"

        def __post_init__(self):
            object.__setattr__(self, "x", self.x + 1)

    @make(slots=True)
    class Hashed:
        x: int

        def __hash__(self):
            return 3

    assert (Own(1) == Own(2), repr(Own(1)), Own(1).x, hash(Own(1)) == hash(Own(1))) == (True, "own", 2, True)
    assert hash(Hashed(1)) == 3


@pytest.mark.parametrize("make", [dataclass, dataclasses.dataclass])
def test_fields_are_inherited(make):
    @make(frozen=True, slots=True)
    class Base:
        x: int

    @make(frozen=True, slots=True)
    class More(Base):
        y: int = 1

    assert (More(1), More(1) == Base(1), Base(1) == Base(1)) == (More(1, 1), False, True)


@dataclass(frozen=True, slots=True)
class Sent:
    x: int


def test_it_can_be_pickled():
    assert pickle.loads(pickle.dumps(Sent(1))) == Sent(1)


def test_one_that_holds_itself_can_be_shown():
    @dataclass(slots=True)
    class Ring:
        next: object

    ring = Ring(None)
    ring.next = ring
    assert repr(ring).endswith("(next=...)")


def test_the_daemon_imports_no_compiled_classes():
    """What is compiled at import: so many standard dataclasses are left on the way of every start."""
    code = (
        "import dataclasses, sys\n"
        "made, real = [], dataclasses._process_class\n"
        "def noted(cls, *rest):\n"
        "    made.extend([cls.__module__] * rest[0])  # with an __init__ that is compiled at once\n"
        "    return real(cls, *rest)\n"
        "dataclasses._process_class = noted\n"
        "import edged.daemon.daemon\n"
        "print(*{name for name in made if name.startswith('edged.')})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) <= {"edged.wasm.module"}
