"""The CEL rules of a definition: whether they compile, and what they may cost. Pure.

Source: apiextensions-apiserver's schema/cel/compilation.go and apis/apiextensions/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edged.kube.cel.programs import CompileError, EvaluationError, compiled
from edged.kube.cel.types import BOOL, STRING, Type
from edged.sandbox.custom import causes
from edged.sandbox.custom.causes import Written, go_json
from edged.sandbox.custom.pruning import EMBEDDED, Schema
from edged.sandbox.custom.rule_cost_numbers import MOST
from edged.sandbox.custom.rule_costs import estimate
from edged.sandbox.custom.rule_programs import mentions_old
from edged.sandbox.custom.rule_types import MOST_BYTES, Declared, declared, environment
from edged.sandbox.custom.rules import RULES
from edged.sandbox.protocol.api_status import Cause

MOST_OF_RULE = 10_000_000
MOST_OF_SCHEMA = 100_000_000
"""StaticEstimatedCostLimit and StaticEstimatedCRDCostLimit."""
_HINT = (
    "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared"
)


@dataclass(slots=True)
class _Total:
    """What all rules cost together, and the four that cost most."""

    cost: int = 0
    rules: list[tuple[str, int]] = field(default_factory=list)

    def add(self, path: str, cost: int) -> None:
        self.cost = min(self.cost + cost, MOST)
        if cost >= MOST_OF_SCHEMA // 100:
            self.rules = sorted([*self.rules, (path, cost)], key=lambda rule: -rule[1])[:4]


@dataclass(frozen=True, slots=True)
class RuleContext:
    """How often a node may be in an object (None: no bound), and what the rules of all nodes cost together.
    `unchanged`: the schema was there before, so its rules are not refused for what one costs."""

    count: int | None = 1
    total: _Total = field(default_factory=_Total)
    unchanged: bool = False

    def below(self, schema: Schema) -> RuleContext:
        """Of a node within `schema`."""
        most: int | None = 1
        if schema.get("type") == "array":
            most = schema.get("maxItems")
        elif schema.get("type") == "object" and schema.get("additionalProperties") is not None:
            most = schema.get("maxProperties")
        known = self.count is not None and most is not None
        count = min((self.count or 0) * max(most or 0, 0), MOST) if known else None
        return RuleContext(count, self.total, self.unchanged)

    def total_causes(self, path: str) -> list[Cause]:
        """That all rules together cost too much."""
        if self.total.cost <= MOST_OF_SCHEMA:
            return []
        each = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        whole = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        return [
            *(causes.forbidden(where, each) for where, _cost in self.total.rules),
            causes.forbidden(path, _too_expensive(whole, self.total.cost, MOST_OF_SCHEMA)),
        ]


def _too_expensive(what: str, cost: int, most: int) -> str:
    times = cost / most
    shown = "more than 100x" if times > 100 else f"{times:f}x" if times < 1.5 else f"{times:.1f}x"
    return f"{what} exceeds budget by factor of {shown} ({_HINT})"


def rule_causes(schema: Schema, path: str, context: RuleContext, *, root: bool, lost: str) -> Iterator[Cause]:
    """Of the rules of one node. `lost`: the node below which old values are not known."""
    of = declared(schema, "selfType", root=root or bool(schema.get(EMBEDDED)))
    if of is None:
        why = "failed to convert to declType for CEL validation rules"
        yield Cause(f"{path}.{RULES}", f"Internal error: {why}", "InternalError")
        return
    for index, rule in enumerate(schema[RULES]):
        where = f"{path}.{RULES}[{index}]"
        text, optional = rule.get("rule") or "", rule.get("optionalOldSelf")
        found = list(_rule(rule, of, where))
        compiles = not any("Rule\":" in cause.message and cause.field.endswith(".rule") for cause in found)
        if compiles:
            cost = estimate(text, of, optional=bool(optional))
            count = context.count if context.count is not None else MOST_BYTES // (of.smallest + 1)
            yield from _expensive(f"{where}.rule", "estimated rule cost", min(cost * count, MOST), context)
        yield from found
        if compiles and not found and (expression := rule.get("messageExpression")):
            cost = estimate(expression, of, optional=bool(optional))
            yield from _expensive(f"{where}.messageExpression", "estimated messageExpression cost", cost, context)
        if compiles and mentions_old(text):
            if lost:
                why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {lost}"
                yield causes.invalid(f"{where}.rule", text, why)
        elif optional is not None:
            yield causes.invalid(f"{where}.optionalOldSelf", optional, "may not be set if oldSelf is not used in rule")


def _expensive(where: str, what: str, cost: int, context: RuleContext) -> Iterator[Cause]:
    context.total.add(where, cost)
    if cost > MOST_OF_RULE and not context.unchanged:
        yield causes.forbidden(where, _too_expensive(what, cost, MOST_OF_RULE))


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
