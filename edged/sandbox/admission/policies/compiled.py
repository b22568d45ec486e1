"""Expressions of policies, compiled once. What cannot be compiled is text that says why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from edged.kube.cel import declarations, programs
from edged.kube.cel.errors import CompileError, EvaluationError
from edged.kube.cel.programs import Program
from edged.kube.cel.types import BOOL, DYN, NULL, STRING, Type, list_of, struct
from edged.sandbox.cluster import Object

ANYTHING: Final[tuple[Type, ...]] = ()
"""Of variables: whatever it gives."""
CONDITION: Final = (BOOL,)
MESSAGE: Final = (STRING,)
AUDIT: Final = (STRING, NULL)
CONFIGURATION: Final = (struct("Object"),)
NOT_MADE: Final = "program instantiation failed"
"""How a problem begins that is none of syntax or types."""
PATCH: Final = (list_of(struct("JSONPatch")),)


@lru_cache(maxsize=2048)
def _program(expression: str, params: bool, authorizer: bool, patches: bool, variables: frozenset[tuple[str, Type]],
             composed: bool) -> Program | str:  # fmt: skip
    known = dict(variables) if composed else None
    environment = declarations.admission(params=params, authorizer=authorizer, variables=known, patches=patches)
    try:
        return programs.compiled(expression, environment)
    except CompileError as error:
        return f"compilation failed: {error}"
    except EvaluationError as error:
        return f"{NOT_MADE}: {error}"


@dataclass
class Compiler:
    """Of one policy: knows the variables that were compiled so far. `composed`: whether it has any."""

    params: bool
    composed: bool
    variables: dict[str, Program | str] = field(default_factory=dict)

    def program(self, expression: str, returns: tuple[Type, ...], *, authorizer: bool = True,
                patches: bool = False) -> Program | str:  # fmt: skip
        """The program, or why there is none."""
        known = frozenset((name, _declared(each)) for name, each in self.variables.items())
        found = _program(expression, self.params, authorizer, patches, known, self.composed)
        if isinstance(found, str) or not returns or found.type in returns:
            return found
        if len(returns) == 1:
            return f"must evaluate to {returns[0].declared} but got {found.type.declared}"
        return f"must evaluate to one of [{' '.join(each.declared for each in returns)}] but got {found.type.declared}"

    def add_variable(self, name: str, expression: str) -> Program | str:
        """Makes it known to what follows."""
        program = self.program(expression, ANYTHING)
        self.variables[name] = program
        return program


def _declared(variable: Program | str) -> Type:
    """What is known of a variable's type: lists and maps keep their elements', other types of Kubernetes are dyn."""
    return DYN if isinstance(variable, str) or variable.type.kind in ("struct", "opaque", "type") else variable.type


def compiler_of(spec: Object, *, always_composed: bool = False) -> Compiler:
    """With all variables of a policy."""
    variables = spec.get("variables") or ()
    compiler = Compiler(bool(spec.get("paramKind")), bool(variables) or always_composed)
    for each in variables:
        compiler.add_variable(str(each.get("name") or ""), str(each.get("expression") or ""))
    return compiler


Names = Mapping[str, object]
"""What the names in an expression stand for."""
