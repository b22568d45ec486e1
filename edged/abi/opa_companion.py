"""The module of ours that an OPA policy is linked to: its text, for a memory of given limits. Pure.

Policies that `opa build -t wasm` makes import their memory and the builtins that OPA leaves to its host, and a
builtin's arguments and result are values in that memory which only the policy can read and make. So the companion
stands between: it has the policy dump each argument, gives the host the texts, and has the policy parse what comes
back. It also runs a whole evaluation, so that a review is one call from the host's side. Every call into the policy
goes through the table `guest`, whose slots are those of GUEST_FUNCTIONS. Source: OPA's WebAssembly ABI, 1.0 to 1.3.
"""

from __future__ import annotations

GUEST_FUNCTIONS = (
    "opa_malloc",
    "opa_json_parse",
    "opa_json_dump",
    "opa_value_parse",
    "opa_value_dump",
    "opa_eval_ctx_new",
    "opa_eval_ctx_set_input",
    "opa_eval_ctx_set_data",
    "opa_eval_ctx_set_entrypoint",
    "opa_eval_ctx_get_result",
    "eval",
    "builtins",
    "entrypoints",
)
"""What the table holds, by slot."""

SIGNATURES = {
    "opa_malloc": ("i", "i"),
    "opa_json_parse": ("ii", "i"),
    "opa_json_dump": ("i", "i"),
    "opa_value_parse": ("ii", "i"),
    "opa_value_dump": ("i", "i"),
    "opa_eval_ctx_new": ("", "i"),
    "opa_eval_ctx_set_input": ("ii", ""),
    "opa_eval_ctx_set_data": ("ii", ""),
    "opa_eval_ctx_set_entrypoint": ("ii", ""),
    "opa_eval_ctx_get_result": ("i", "i"),
    "eval": ("i", "i"),
    "builtins": ("", "i"),
    "entrypoints": ("", "i"),
}
OPTIONAL = ("opa_value_parse", "opa_value_dump")
"""What modules of the ABI's first versions lack."""

DOCUMENTS, RESULT = 0, 1  # what `fetch` is asked for
NOT_PARSED = {-1: "data", -2: "input"}  # what `evaluate` returns instead of 0

_MALLOC, _JSON_PARSE, _JSON_DUMP, _VALUE_PARSE, _VALUE_DUMP = range(5)
_CTX_NEW, _SET_INPUT, _SET_DATA, _SET_ENTRYPOINT, _GET_RESULT, _EVAL, _BUILTINS, _ENTRYPOINTS = range(5, 13)


def needed(*, describe: bool = False, values: bool = False) -> tuple[str | None, ...]:
    """GUEST_FUNCTIONS without those that `describe`, or that `evaluate` and the builtins, do not call: filling a slot
    costs a microsecond or two in each review. `values` as in `text`."""
    if describe:
        used = {_JSON_DUMP, _BUILTINS, _ENTRYPOINTS}
    else:
        used = {_MALLOC, _JSON_PARSE, _JSON_DUMP, *range(_CTX_NEW, _EVAL + 1)}
        used |= {_VALUE_PARSE, _VALUE_DUMP} if values else set()
    return tuple(name if slot in used else None for slot, name in enumerate(GUEST_FUNCTIONS))


def text(minimum: int, maximum: int | None, *, values: bool) -> str:
    """The companion as WAT, with a memory of these limits in pages.


    `values`: arguments and results of builtins are written as OPA writes values, where sets are `{1, 2}` and keys may
    be anything; else as JSON, for modules that export nothing else.
    """
    limits = f"{minimum}" if maximum is None else f"{minimum} {maximum}"
    dump, parse = (_VALUE_DUMP, _VALUE_PARSE) if values else (_JSON_DUMP, _JSON_PARSE)
    return "\n".join(
        (
            _HEAD.format(limits=limits, slots=len(GUEST_FUNCTIONS)),
            _common(dump),
            _result(parse),
            *(_builtin(count) for count in range(5)),
            _PUSH,
            _DESCRIBE,
            _EVALUATE,
            ")",
        )
    )


_HEAD = """(module
  (import "edged" "abort" (func $abort (param i32 i32)))
  (import "edged" "println" (func $println (param i32 i32)))
  (import "edged" "fetch" (func $fetch (param i32 i32 i32)))
  (import "edged" "take" (func $take (param i32 i32)))
  (import "edged" "builtin" (func $builtin (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") {limits})
  (table (export "guest") {slots} {slots} funcref)
  (type $get (func (result i32)))
  (type $map (func (param i32) (result i32)))
  (type $parse (func (param i32 i32) (result i32)))
  (type $set (func (param i32 i32)))"""


def _common(dump: int) -> str:
    return f"""
  (func $length (param $at i32) (result i32) (local $end i32)
    (local.set $end (local.get $at))
    (block $done (loop $next
      (br_if $done (i32.eqz (i32.load8_u (local.get $end))))
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (br $next)))
    (i32.sub (local.get $end) (local.get $at)))
  (func (export "opa_abort") (param $at i32)
    (call $abort (local.get $at) (call $length (local.get $at))))
  (func (export "opa_println") (param $at i32)
    (call $println (local.get $at) (call $length (local.get $at))))
  (func $dump (param $value i32) (result i32)
    (call_indirect (type $map) (local.get $value) (i32.const {dump})))
  (func $reserve (param $length i32) (result i32) (local $at i32)
    (local.set $at (call_indirect (type $map) (local.get $length) (i32.const {_MALLOC})))
    (if (i32.eqz (local.get $at)) (then (unreachable)))
    (local.get $at))"""


def _result(parse: int) -> str:
    """What the host made of a builtin's arguments, as a value of the guest."""
    return f"""
  (func $result (param $length i32) (result i32) (local $at i32)
    (local.set $at (call $reserve (local.get $length)))
    (call $fetch (i32.const {RESULT}) (local.get $at) (i32.const 0))
    (local.set $at (call_indirect (type $parse) (local.get $at) (local.get $length) (i32.const {parse})))
    (if (i32.eqz (local.get $at)) (then (unreachable)))
    (local.get $at))"""


def _builtin(count: int) -> str:
    """`opa_builtinN`: id and context, then N values; each argument goes to the host as place and length of its text."""
    params = " ".join(f"(param $value{n} i32)" for n in range(count))
    dumps = " ".join(f"(local.set $value{n} (call $dump (local.get $value{n})))" for n in range(count))
    texts = " ".join(
        f"(local.get $value{n}) (call $length (local.get $value{n}))" if n < count else "(i32.const 0) (i32.const 0)"
        for n in range(4)
    )
    return f"""
  (func (export "opa_builtin{count}") (param $id i32) (param $context i32) {params} (result i32)
    {dumps}
    (call $result (call $builtin (local.get $id) (i32.const {count}) {texts})))"""


_PUSH = f"""
  (func $push (param $at i32) (param $length i32) (result i32)
    (call_indirect (type $parse) (local.get $at) (local.get $length) (i32.const {_JSON_PARSE})))"""

_DESCRIBE = f"""
  (func $give (param $value i32) (local $at i32)
    (local.set $at (call $json (local.get $value)))
    (call $take (local.get $at) (call $length (local.get $at))))
  (func $json (param $value i32) (result i32)
    (call_indirect (type $map) (local.get $value) (i32.const {_JSON_DUMP})))
  (func (export "describe") (param $what i32)
    (call $give (if (result i32) (local.get $what)
      (then (call_indirect (type $get) (i32.const {_ENTRYPOINTS})))
      (else (call_indirect (type $get) (i32.const {_BUILTINS}))))))"""

# Step by step and not by `opa_eval`, which goes on without an input that it could not read.
_EVALUATE = f"""
  (func (export "evaluate") (param $data_length i32) (param $input_length i32) (result i32)
    (local $data i32) (local $input i32) (local $context i32)
    (local.set $data (call $reserve (local.get $data_length)))
    (local.set $input (call $reserve (local.get $input_length)))
    (call $fetch (i32.const {DOCUMENTS}) (local.get $data) (local.get $input))
    (local.set $data (call $push (local.get $data) (local.get $data_length)))
    (if (i32.eqz (local.get $data)) (then (return (i32.const -1))))
    (local.set $input (call $push (local.get $input) (local.get $input_length)))
    (if (i32.eqz (local.get $input)) (then (return (i32.const -2))))
    (local.set $context (call_indirect (type $get) (i32.const {_CTX_NEW})))
    (call_indirect (type $set) (local.get $context) (local.get $input) (i32.const {_SET_INPUT}))
    (call_indirect (type $set) (local.get $context) (local.get $data) (i32.const {_SET_DATA}))
    (call_indirect (type $set) (local.get $context) (i32.const 0) (i32.const {_SET_ENTRYPOINT}))
    (drop (call_indirect (type $map) (local.get $context) (i32.const {_EVAL})))
    (call $give (call_indirect (type $map) (local.get $context) (i32.const {_GET_RESULT})))
    (i32.const 0))"""
