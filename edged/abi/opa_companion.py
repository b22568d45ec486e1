"""The module of ours that an OPA policy is merged with: its text, for a memory of given limits. Pure.

Policies that `opa build -t wasm` makes import their memory and the builtins that OPA leaves to its host, and a
builtin's arguments and result are values in that memory which only the policy can read and make. So the companion
stands between: it has the policy dump each argument, gives the host the texts, and has the policy parse what comes
back. It also runs a whole evaluation, so that a review is one call from the host's side. It imports the policy's
functions, the policy imports the companion's: edged/wasm/merging.py makes one module of both. Source: OPA's WebAssembly
ABI, 1.0 to 1.3.
"""

from __future__ import annotations

GUEST = "guest"
"""The module from which the companion imports the policy's functions."""
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
"""Of the policy's functions."""
OPTIONAL = ("opa_value_parse", "opa_value_dump")
"""What modules of the ABI's first versions lack."""

DOCUMENTS, RESULT, DATA, INPUT = range(4)  # what `fetch` is asked for
NOT_PARSED = {-1: "data", -2: "input"}  # what `evaluate` returns instead of 0


def text(minimum: int, maximum: int | None, *, values: bool) -> str:
    """The companion as WAT, with a memory of these limits in pages.

    `values`: arguments and results of builtins are written as OPA writes values, where sets are `{1, 2}` and keys may
    be anything; else as JSON, for modules that export nothing else.
    """
    limits = f"{minimum}" if maximum is None else f"{minimum} {maximum}"
    form = "value" if values else "json"
    return "\n".join(
        (
            _HEAD,
            *(_import(name) for name in SIGNATURES if values or name not in OPTIONAL),
            f'  (memory (export "memory") {limits})',
            _COMMON,
            _RESULT.replace("$parsed", f"$opa_{form}_parse"),
            *(_builtin(count, f"$opa_{form}_dump") for count in range(5)),
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
  (import "edged" "builtin" (func $builtin (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"""


def _import(name: str) -> str:
    params, results = SIGNATURES[name]
    given = f" (param {' '.join(['i32'] * len(params))})" if params else ""
    returned = " (result i32)" if results else ""
    return f'  (import "{GUEST}" "{name}" (func ${name}{given}{returned}))'


_COMMON = """
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
  (func $reserve (param $length i32) (result i32) (local $at i32)
    (local.set $at (call $opa_malloc (local.get $length)))
    (if (i32.eqz (local.get $at)) (then (unreachable)))
    (local.get $at))"""

# What the host made of a builtin's arguments, as a value of the guest.
_RESULT = f"""
  (func $result (param $length i32) (result i32) (local $at i32)
    (local.set $at (call $reserve (local.get $length)))
    (call $fetch (i32.const {RESULT}) (local.get $at) (i32.const 0))
    (local.set $at (call $parsed (local.get $at) (local.get $length)))
    (if (i32.eqz (local.get $at)) (then (unreachable)))
    (local.get $at))"""


def _builtin(count: int, dump: str) -> str:
    """`opa_builtinN`: id and context, then N values; each argument goes to the host as place and length of its text."""
    params = " ".join(f"(param $value{n} i32)" for n in range(count))
    dumps = " ".join(f"(local.set $value{n} (call {dump} (local.get $value{n})))" for n in range(count))
    texts = " ".join(
        f"(local.get $value{n}) (call $length (local.get $value{n}))" if n < count else "(i32.const 0) (i32.const 0)"
        for n in range(4)
    )
    return f"""
  (func (export "opa_builtin{count}") (param $id i32) (param $context i32) {params} (result i32)
    {dumps}
    (call $result (call $builtin (local.get $id) (i32.const {count}) {texts})))"""


_DESCRIBE = """
  (func $give (param $value i32) (local $at i32)
    (local.set $at (call $opa_json_dump (local.get $value)))
    (call $take (local.get $at) (call $length (local.get $at))))
  (func (export "describe") (param $what i32)
    (call $give (if (result i32) (local.get $what) (then (call $entrypoints)) (else (call $builtins)))))"""

# Step by step and not by `opa_eval`, which goes on without an input that it could not read.
_EVALUATE = f"""
  (func (export "parse_data") (param $length i32) (result i32) (local $at i32)
    (local.set $at (call $reserve (local.get $length)))
    (call $fetch (i32.const {DATA}) (local.get $at) (i32.const 0))
    (call $opa_json_parse (local.get $at) (local.get $length)))
  (func (export "evaluate") (param $data_length i32) (param $input_length i32) (result i32)
    (local $data i32) (local $input i32)
    (local.set $data (call $reserve (local.get $data_length)))
    (local.set $input (call $reserve (local.get $input_length)))
    (call $fetch (i32.const {DOCUMENTS}) (local.get $data) (local.get $input))
    (local.set $data (call $opa_json_parse (local.get $data) (local.get $data_length)))
    (if (i32.eqz (local.get $data)) (then (return (i32.const -1))))
    (call $with_data (local.get $data) (local.get $input) (local.get $input_length)))
  (func (export "evaluate_with") (param $data i32) (param $input_length i32) (result i32) (local $input i32)
    (local.set $input (call $reserve (local.get $input_length)))
    (call $fetch (i32.const {INPUT}) (local.get $input) (i32.const 0))
    (call $with_data (local.get $data) (local.get $input) (local.get $input_length)))
  (func $with_data (param $data i32) (param $input i32) (param $input_length i32) (result i32) (local $context i32)
    (local.set $input (call $opa_json_parse (local.get $input) (local.get $input_length)))
    (if (i32.eqz (local.get $input)) (then (return (i32.const -2))))
    (local.set $context (call $opa_eval_ctx_new))
    (call $opa_eval_ctx_set_input (local.get $context) (local.get $input))
    (call $opa_eval_ctx_set_data (local.get $context) (local.get $data))
    (call $opa_eval_ctx_set_entrypoint (local.get $context) (i32.const 0))
    (drop (call $eval (local.get $context)))
    (call $give (call $opa_eval_ctx_get_result (local.get $context)))
    (i32.const 0))"""
