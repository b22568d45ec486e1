"""The two modules of ours between which a guest that judges nodes is linked: their text. Pure.

A call from Python into a guest, and one from a guest into Python, cost ten times what most guests need to judge a node.
So for many nodes in one go there is a loop in WebAssembly. It takes two modules, since a guest's imports have to be
there before it and its exports only after it:

- the *gate* comes before the guest and is what it imports from. It owns a memory, the *window*, into which Python
  writes what guests read of the cycle's nodes: names, Nodes, the Pod. What is there is served from there while the loop
  runs; all else is asked of Python as ever.
- the *loop* comes after the guest. It calls the guest's `filter` or `score` for one node after the other and leaves the
  results in the window. It also copies between the window and the guest's memory for the gate, which could not import
  that memory: these functions are in a table of the gate's.

The window begins with the words named below. node_loop.py writes and reads it, wasm/surrounded.py links the modules.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from edged.wasm.hostcalls import HostFunction, HostTable

# Places in the window of 32-bit words.
LOOPING: Final = 0  # not 0: the loop runs, and the gate serves what it can
CURRENT: Final = 4  # where the entry of the node is that is being judged
TOLD: Final = 8  # not 0: Python knows that it is being judged
STOP: Final = 12  # not 0: the loop returns when the guest does
POD, POD_LENGTH = 16, 20
REASONS, REASONS_END = 24, 28  # where the next status reason goes, and the end of the room for them
RESULT: Final = 32  # where this node's result goes
NUMBER: Final = 36  # of the node in the order of the loop, from 0
HEADER: Final = 64

ENTRY: Final = 16  # per node: places and lengths of its name and of the Node
RESULT_SIZE: Final = 16  # per node: what the guest returned (i64), place and length of the reason
NOTHING: Final = 0xFFFFFFFF
"""As a length: it is not in the window, ask Python."""
MOST_REASON: Final = 4096

TELL: Final = ("edged", "at")
"""Called by the gate before the first host function of a node that is about the node; with its number."""
_ABOUT_NODES: Final = ("currentNodeName", "log", "logs", "fd_write", "result.", "handle.")
_STOPS: Final = ("handle.",)
"""What these ask for is carried out when the guest has returned, and before it is asked about the next node."""

_LETTERS: Final = {"i": "i32", "I": "i64"}
_SERVED: Final = frozenset({"currentNodeName", "currentPod", "node", "result.status_reason"})


def gate(hosts: HostTable) -> str:
    """The module before the guest, which exports a function for each of the table's, under its name alone."""
    functions = {name: (module, function) for (module, name), function in hosts.items()}
    parts = ["(module", f'  (import "{TELL[0]}" "{TELL[1]}" (func $at (param i32)))']
    for name, (module, function) in functions.items():
        parts.append(f'  (import "{module}" "{name}" (func ${name}{_signature(function)}))')
    parts.append(_GATE)
    parts += [_forward(name, function) for name, (_, function) in functions.items() if name not in _SERVED]
    return "\n".join([*parts, ")"])


def _signature(function: HostFunction) -> str:
    params = "".join(f" (param {_LETTERS[letter]})" for letter in function.params)
    return params + "".join(f" (result {_LETTERS[letter]})" for letter in function.results)


def _forward(name: str, function: HostFunction) -> str:
    arguments = " ".join(f"(local.get {number})" for number in range(len(function.params)))
    tell = "(call $tell)" if name.startswith(_ABOUT_NODES) else ""
    stop = f"(i32.store (i32.const {STOP}) (i32.const 1))" if name.startswith(_STOPS) else ""
    return f'  (func (export "{name}"){_signature(function)} {stop} {tell} (call ${name} {arguments}))'


_LOOPS = f"(i32.load (i32.const {LOOPING}))"
_GATE = f"""
  (memory (export "window") 1)
  (table (export "crossing") 3 3 funcref)
  (type $cross (func (param i32 i32 i32) (result i32)))
  (func $tell
    (if (i32.and (i32.ne {_LOOPS} (i32.const 0)) (i32.eqz (i32.load (i32.const {TOLD}))))
      (then (i32.store (i32.const {TOLD}) (i32.const 1)) (call $at (i32.load (i32.const {NUMBER}))))))
  ;; Whether the guest has been given the value, or has to ask again with a larger buffer.
  (func $gave (param $at i32) (param $length i32) (param $buffer i32) (param $limit i32) (result i32)
    (if (i32.or (i32.eqz (local.get $length)) (i32.gt_u (local.get $length) (local.get $limit)))
      (then (return (i32.const 1))))
    (call_indirect (type $cross) (local.get $buffer) (local.get $at) (local.get $length) (i32.const 0)))
  (func (export "currentNodeName") (param $buffer i32) (param $limit i32) (result i32) (local $entry i32)
    (if (i32.eqz {_LOOPS}) (then (return (call $currentNodeName (local.get $buffer) (local.get $limit)))))
    (local.set $entry (i32.load (i32.const {CURRENT})))
    (drop (call $gave (i32.load (local.get $entry)) (i32.load offset=4 (local.get $entry))
      (local.get $buffer) (local.get $limit)))
    (i32.load offset=4 (local.get $entry)))
  (func (export "currentPod") (param $buffer i32) (param $limit i32) (result i32)
    (if (i32.and (i32.ne {_LOOPS} (i32.const 0)) (i32.ne (i32.load (i32.const {POD_LENGTH})) (i32.const -1)))
      (then (if (call $gave (i32.load (i32.const {POD})) (i32.load (i32.const {POD_LENGTH}))
          (local.get $buffer) (local.get $limit))
        (then (return (i32.load (i32.const {POD_LENGTH})))))))
    (call $currentPod (local.get $buffer) (local.get $limit)))
  (func (export "node") (param $name i32) (param $length i32) (param $buffer i32) (param $limit i32) (result i32)
    (local $entry i32)
    (if {_LOOPS} (then
      (local.set $entry (i32.load (i32.const {CURRENT})))
      (if (i32.ne (i32.load offset=12 (local.get $entry)) (i32.const -1)) (then
        (if (i32.eq (local.get $length) (i32.load offset=4 (local.get $entry))) (then
          (if (call_indirect (type $cross) (local.get $name) (i32.load (local.get $entry)) (local.get $length)
              (i32.const 2)) (then
            (if (call $gave (i32.load offset=8 (local.get $entry)) (i32.load offset=12 (local.get $entry))
                (local.get $buffer) (local.get $limit))
              (then (return (i32.load offset=12 (local.get $entry)))))))))))))
    (call $node (local.get $name) (local.get $length) (local.get $buffer) (local.get $limit)))
  (func (export "result.status_reason") (param $at i32) (param $length i32) (local $room i32) (local $result i32)
    (if (i32.eqz {_LOOPS}) (then (call $result.status_reason (local.get $at) (local.get $length)) (return)))
    (local.set $room (i32.load (i32.const {REASONS})))
    (local.set $result (i32.load (i32.const {RESULT})))
    (if (i32.and
        (i32.le_u (local.get $length) (i32.const {MOST_REASON}))
        (i32.le_u (local.get $length) (i32.sub (i32.load (i32.const {REASONS_END})) (local.get $room)))) (then
      (if (call_indirect (type $cross) (local.get $room) (local.get $at) (local.get $length) (i32.const 1)) (then
        (i32.store offset=8 (local.get $result) (local.get $room))
        (i32.store offset=12 (local.get $result) (local.get $length))
        (i32.store (i32.const {REASONS}) (i32.add (local.get $room) (local.get $length)))
        (return)))))
    (call $tell)
    (call $result.status_reason (local.get $at) (local.get $length))
    (i32.store offset=12 (local.get $result) (i32.const -1)))"""


def loop(exports: Collection[str]) -> str:
    """The module after a guest that exports `filter`, `score` or both. Its functions of the same names judge nodes:
    (how many, where their entries are listed, where the results go) -> how many were judged."""
    parts = [_LOOP_HEAD]
    parts += [_IMPORTS[name] for name in _IMPORTS if name in exports]
    parts.append(_CROSSING)
    parts += [_judge(name) for name in _IMPORTS if name in exports]
    return "\n".join([*parts, ")"])


_IMPORTS: Final = {
    "filter": '  (import "guest" "filter" (func $filter (result i32)))',
    "score": '  (import "guest" "score" (func $score (result i64)))',
}
_LOOP_HEAD = """(module
  (import "gate" "window" (memory $window 1))
  (import "guest" "memory" (memory $guest 0))
  (import "gate" "crossing" (table $crossing 3 3 funcref))"""
_CROSSING = """
  (elem (table $crossing) (i32.const 0) func $give $take $same)
  (func $inside (param $at i32) (param $length i32) (result i32)
    (i64.le_u
      (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $length)))
      (i64.shl (i64.extend_i32_u (memory.size $guest)) (i64.const 16))))
  (func $give (param $to i32) (param $from i32) (param $length i32) (result i32)
    (if (i32.eqz (call $inside (local.get $to) (local.get $length))) (then (return (i32.const 0))))
    (memory.copy $guest $window (local.get $to) (local.get $from) (local.get $length))
    (i32.const 1))
  (func $take (param $to i32) (param $from i32) (param $length i32) (result i32)
    (if (i32.eqz (call $inside (local.get $from) (local.get $length))) (then (return (i32.const 0))))
    (memory.copy $window $guest (local.get $to) (local.get $from) (local.get $length))
    (i32.const 1))
  (func $same (param $at i32) (param $with i32) (param $length i32) (result i32)
    (if (i32.eqz (call $inside (local.get $at) (local.get $length))) (then (return (i32.const 0))))
    (block $differs
      (loop $next
        (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
        (br_if $differs (i32.ne (i32.load8_u $guest (local.get $at)) (i32.load8_u $window (local.get $with))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $with (i32.add (local.get $with) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (i32.const 0))"""


def _judge(name: str) -> str:
    """Ends early where Python has to look: at a code that is neither success nor the usual rejection."""
    if name == "filter":
        call = "(i64.extend_i32_s (call $filter))"
        code = "(i32.wrap_i64 (local.get $value))"
        ends = f"(i32.gt_u {code} (i32.const 3)) (i32.eq {code} (i32.const 1))"
    else:
        call = "(call $score)"
        ends = "(i32.ne (i32.wrap_i64 (local.get $value)) (i32.const 0)) (i32.const 0)"
    return f"""
  (func (export "{name}") (param $count i32) (param $order i32) (param $result i32) (result i32)
    (local $number i32) (local $value i64)
    (loop $next
      (i32.store $window (i32.const {NUMBER}) (local.get $number))
      (i32.store $window (i32.const {CURRENT}) (i32.load $window (local.get $order)))
      (i32.store $window (i32.const {RESULT}) (local.get $result))
      (i32.store $window (i32.const {TOLD}) (i32.const 0))
      (i32.store $window offset=12 (local.get $result) (i32.const 0))
      (local.set $value {call})
      (i64.store $window (local.get $result) (local.get $value))
      (local.set $number (i32.add (local.get $number) (i32.const 1)))
      (local.set $order (i32.add (local.get $order) (i32.const 4)))
      (local.set $result (i32.add (local.get $result) (i32.const {RESULT_SIZE})))
      (if (i32.or {ends}) (then (return (local.get $number))))
      (if (i32.load $window (i32.const {STOP})) (then (return (local.get $number))))
      (br_if $next (i32.lt_u (local.get $number) (local.get $count))))
    (local.get $number))"""
