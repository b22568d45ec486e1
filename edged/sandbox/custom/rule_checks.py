"""The CEL rules of a definition: whether they compile, and what they may cost. Pure.

Source: apiextensions-apiserver's schema/cel/compilation.go and apis/apiextensions/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.cel.programs import CompileError, EvaluationError, compiled
from edged.kube.cel.types import BOOL, STRING, Type
from edged.sandbox.custom import causes
from edged.sandbox.custom.causes import Written, go_json
from edged.sandbox.custom.pruning import EMBEDDED, Schema
from edged.sandbox.custom.rule_programs import mentions_old
from edged.sandbox.custom.rule_types import Declared, declared, environment
from edged.sandbox.custom.rules import RULES
from edged.sandbox.protocol.api_status import Cause


class RuleContext:
    """How often a node may be in an object, and what the rules of all nodes cost together."""

    def __init__(self, _schema: Schema) -> None:
        pass

    def below(self, _schema: Schema, _inner: Schema) -> RuleContext:
        """Of a node within."""
        return self

    def total_causes(self, _path: str) -> list[Cause]:
        return []


def rule_causes(schema: Schema, path: str, _context: RuleContext, *, root: bool, lost: str) -> Iterator[Cause]:
    """Of the rules of one node. `lost`: the node below which old values are not known."""
    of = declared(schema, "selfType", root=root or bool(schema.get(EMBEDDED)))
    if of is None:
        why = "failed to convert to declType for CEL validation rules"
        yield Cause(f"{path}.{RULES}", f"Internal error: {why}", "InternalError")
        return
    for index, rule in enumerate(schema[RULES]):
        where = f"{path}.{RULES}[{index}]"
        found = list(_rule(rule, of, where))
        yield from found
        text, optional = rule.get("rule") or "", rule.get("optionalOldSelf")
        compiles = not any("compilation failed: " in cause.message for cause in found)
        if compiles and mentions_old(text):
            if lost:
                why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {lost}"
                yield causes.invalid(f"{where}.rule", text, why)
        elif optional is not None:
            yield causes.invalid(f"{where}.optionalOldSelf", optional, "may not be set if oldSelf is not used in rule")


def _rule(rule: Schema, of: Declared, where: str) -> Iterator[Cause]:
    optional, expression = bool(rule.get("optionalOldSelf")), rule.get("messageExpression") or ""
    found = _type_or_problem(rule.get("rule") or "", of, optional)
    if isinstance(found, str):
        yield causes.invalid(f"{where}.rule", _internal(rule), f"compilation failed: {found}")
        return
    if found != BOOL:
        yield causes.invalid(f"{where}.rule", _internal(rule), "cel expression must evaluate to a bool")
        return
    if not expression:
        return
    found = _type_or_problem(expression, of, optional)
    if isinstance(found, str):
        why = f"messageExpression compilation failed: {found}"
        yield causes.invalid(f"{where}.messageExpression", _internal(rule), why)
    elif found != STRING:
        yield causes.invalid(
            f"{where}.messageExpression", _internal(rule), "messageExpression must evaluate to a string"
        )


def _type_or_problem(expression: str, of: Declared, optional: bool) -> Type | str:
    try:
        return compiled(expression, environment(of, optional=optional)).type
    except (CompileError, EvaluationError) as error:
        return str(error)


def _internal(rule: Schema) -> Written:
    """A rule as Go writes its internal form, of which nothing has a name in JSON."""
    fields = {
        "Rule": rule.get("rule") or "", "Message": rule.get("message") or "",
        "MessageExpression": rule.get("messageExpression") or "", "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath") or "", "OptionalOldSelf": rule.get("optionalOldSelf"),
    }  # fmt: skip
    return Written("{" + ",".join(f'"{name}":{go_json(value)}' for name, value in fields.items()) + "}")
