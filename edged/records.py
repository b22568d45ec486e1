"""`dataclass` for the modules that every start imports: the standard one's classes, made in a seventh of the time.

The standard one has Python compile six to eight functions for each class; before Python 3.13 each by itself. That was a
quarter of what a start imports. Here `__init__` is compiled when the first object is made, and the others are the
same few functions for all classes. Fields, `replace`, `match`, slots and type checkers work as ever.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen=False, slots=False, eq=True, kw_only=False):
        """As dataclasses.dataclass, for classes that do not inherit fields."""

        def decorate(cls):
            cls.__doc__ = cls.__doc__ or cls.__name__  # the standard one would ask for the signature
            own = set(cls.__dict__)
            if cls.__dict__.get("__hash__") is None:  # Python's own None, where a class has __eq__
                own.discard("__hash__")
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
            _add(made, own, frozen=frozen, eq=eq)
            return made

        return decorate


def _add(cls: Any, own: set[str], *, frozen: bool, eq: bool) -> None:
    """The methods that the class does not have itself (`own`: what it has)."""
    methods: dict[str, Callable[..., Any]] = {"__init__": _first_init(cls, frozen), "__repr__": _repr}
    if eq:
        values = _values([f.name for f in dataclasses.fields(cls) if f.compare])
        methods["__eq__"] = lambda self, other: (
            values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented
        )
        if frozen:
            methods["__hash__"] = lambda self: hash(values(self))
    if frozen:
        methods |= {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
        methods |= {"__getstate__": _get_state, "__setstate__": _set_state}
    for name, method in methods.items():
        if name not in own:
            setattr(cls, name, method)
    if eq and not frozen and "__hash__" not in own:
        cls.__hash__ = None


def _values(names: list[str]) -> Callable[[Any], Any]:
    """The values of some fields as a tuple, to be compared."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: tuple(getattr(record, name) for name in names)


def _first_init(cls: Any, frozen: bool) -> Callable[..., None]:
    def first(self: Any, *args: Any, **named: Any) -> None:
        cls.__init__ = _init(cls, frozen)
        cls.__init__(self, *args, **named)

    return first


def _init(cls: Any, frozen: bool) -> Callable[..., None]:
    """The standard one's: a slot is written directly, also in frozen objects."""
    known: dict[str, Any] = {"_object_set": object.__setattr__, "_missing": dataclasses.MISSING}
    plain: list[str] = ["self"]
    named: list[str] = []
    lines: list[str] = []
    for f in dataclasses.fields(cls):
        value = f.name
        if f.init:
            parameter = f.name
            if f.default is not dataclasses.MISSING:
                known[f"_default_{f.name}"] = f.default
                parameter += f"=_default_{f.name}"
            elif f.default_factory is not dataclasses.MISSING:
                parameter += "=_missing"
            (named if f.kw_only else plain).append(parameter)
        if f.default_factory is not dataclasses.MISSING:
            known[f"_make_{f.name}"] = f.default_factory
            made = f"_make_{f.name}()"
            value = f"{made} if {f.name} is _missing else {f.name}" if f.init else made
        elif not f.init:
            if f.default is dataclasses.MISSING:
                continue
            known[f"_default_{f.name}"] = f.default
            value = f"_default_{f.name}"
        lines.append(f"_object_set(self, {f.name!r}, {value})" if frozen else f"self.{f.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join(plain + (["*", *named] if named else []))
    made_here: dict[str, Any] = {}
    exec(f"def __init__({parameters}):\n " + "\n ".join(lines or ["pass"]), known, made_here)
    found: Callable[..., None] = made_here["__init__"]
    found.__qualname__ = f"{cls.__qualname__}.__init__"
    return found


@reprlib.recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__qualname__}({shown})"


def _refuse_set(self: Any, name: str, value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for f, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, f.name, value)
