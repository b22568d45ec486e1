"""CEL expressions of matchConditions and x-kubernetes-validations. The library is imported when the first one is met.

`authorizer` is not offered: expressions that use it are refused when the object is created.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from edged.errors import EdgedError


class CelError(EdgedError):
    """An expression cannot be compiled, or its evaluation failed; the text is fit for a Status."""


@lru_cache(maxsize=512)
def _program(expression: str) -> Any:
    import cel

    try:
        return cel.compile(expression)
    except ValueError as error:
        raise CelError(str(error)) from error


def problem(expression: str) -> str:
    """Why the expression cannot be used; "" when it can."""
    try:
        program = _program(expression)
    except CelError as error:
        return str(error)
    return "authorizer is not supported by the sandbox" if "authorizer" in program.variables() else ""


def mentions(expression: str, variable: str) -> bool:
    """Whether a (valid) expression reads that variable."""
    return variable in _program(expression).variables()


def names(expression: str) -> set[str]:
    """The variables that an expression reads. Raises CelError."""
    return set(_program(expression).variables())


def evaluate(expression: str, variables: Mapping[str, object]) -> Any:
    """The value of the expression. Raises CelError."""
    program = _program(expression)
    try:
        return program.execute(dict(variables))
    except KeyError as error:
        raise CelError(f"no such key: {error.args[0]}") from error
    except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as error:
        raise CelError(str(error)) from error
