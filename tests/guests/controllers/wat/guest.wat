;; The conformance guest, by hand. What it does is written in tests/controllers/conformance/README.md.
;;
;; It has no JSON parser. What it needs of a message it finds by the name in front of it, and texts are copied as they
;; stand, escapes and all, from one message into the next: both are JSON. That is good for messages of the host, which
;; writes no spaces and the key first.
;;
;; Constants end with a zero byte and lie below 0x10000; each stands as a comment where it is used.
;; Memory: constants, 0x10000 the input, 0x200000 the latch, 0x400000 what is being written.

(module
  (import "edged_ctl_v1" "msg_read" (func $msg_read (param i32 i32 i32) (result i32)))
  (import "edged_ctl_v1" "resp_read" (func $resp_read (param i32 i32 i32) (result i32)))
  (import "edged_ctl_v1" "watch_open" (func $watch_open (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "watch_close" (func $watch_close (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "get" (func $get (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "list" (func $list (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "write" (func $write (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "enqueue" (func $enqueue (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "event" (func $event (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "metric" (func $metric (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "ext" (func $ext (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "log" (func $log (param i32 i32 i32)))
  (import "edged_ctl_v1" "now_ms" (func $now_ms (result i64)))
  (import "edged_ctl_v1" "mono_ms" (func $mono_ms (result i64)))
  (import "edged_ctl_v1" "random" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 96)

  (global $count (mut i64) (i64.const 0))
  (global $input_end (mut i32) (i32.const 0))
  (global $latch_end (mut i32) (i32.const 0))
  (global $out (mut i32) (i32.const 0))
  ;; The text that $text found, without its quotes: where, and how many bytes.
  (global $at (mut i32) (i32.const 0))
  (global $size (mut i32) (i32.const 0))
  ;; Name and namespace of the key, and where the input's object begins.
  (global $name (mut i32) (i32.const 0))
  (global $name_size (mut i32) (i32.const 0))
  (global $namespace (mut i32) (i32.const 0))
  (global $namespace_size (mut i32) (i32.const 0))
  (global $object (mut i32) (i32.const 0))

  (func (export "edged_ctl_abi") (result i32) (i32.const 0x10000))

  ;; --- Reading -----------------------------------------------------------------------------------------------------

  ;; Copies the input, in pieces of 64 KiB. Whether it begins as an object and ends as one.
  (func $read_input (param $length i32) (result i32)
    (local $have i32)
    (loop $more
      (if (i32.lt_u (local.get $have) (local.get $length)) (then
        (local.set $have (i32.add (local.get $have) (call $msg_read
          (i32.add (i32.const 0x10000) (local.get $have)) (local.get $have) (i32.const 0x10000))))
        (br $more))))
    (global.set $input_end (i32.add (i32.const 0x10000) (local.get $length)))
    (if (i32.eqz (local.get $length)) (then (return (i32.const 0))))
    (local.set $have (i32.const 0x10000))
    (loop $spaces
      (if (i32.eq (i32.load8_u (local.get $have)) (i32.const 0x20)) (then
        (local.set $have (i32.add (local.get $have) (i32.const 1)))
        (br $spaces))))
    (local.set $length (i32.sub (global.get $input_end) (i32.const 1)))
    (loop $spaces
      (if (i32.eq (i32.load8_u (local.get $length)) (i32.const 0x20)) (then
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $spaces))))
    (i32.and
      (i32.eq (i32.load8_u (local.get $have)) (i32.const 0x7b))
      (i32.eq (i32.load8_u (local.get $length)) (i32.const 0x7d))))

  ;; Copies the latch of an import's result, in pieces of 64 KiB. The code of the result.
  (func $answer (param $result i64) (result i32)
    (local $have i32) (local $length i32)
    (local.set $length (i32.wrap_i64 (local.get $result)))
    (loop $more
      (if (i32.lt_u (local.get $have) (local.get $length)) (then
        (local.set $have (i32.add (local.get $have) (call $resp_read
          (i32.add (i32.const 0x200000) (local.get $have)) (local.get $have) (i32.const 0x10000))))
        (br $more))))
    (global.set $latch_end (i32.add (i32.const 0x200000) (local.get $length)))
    (i32.wrap_i64 (i64.shr_s (local.get $result) (i64.const 32))))

  ;; Whether the constant stands at that place.
  (func $matches (param $here i32) (param $constant i32) (result i32)
    (loop $more
      (if (i32.eqz (i32.load8_u (local.get $constant))) (then (return (i32.const 1))))
      (if (i32.eq (i32.load8_u (local.get $here)) (i32.load8_u (local.get $constant))) (then
        (local.set $here (i32.add (local.get $here) (i32.const 1)))
        (local.set $constant (i32.add (local.get $constant) (i32.const 1)))
        (br $more))))
    (i32.const 0))

  ;; Where the constant ends that comes first between two places; 0 if it is not there.
  (func $find (param $from i32) (param $to i32) (param $constant i32) (result i32)
    (local $length i32)
    (local.set $length (call $length (local.get $constant)))
    (loop $more
      (if (i32.le_u (i32.add (local.get $from) (local.get $length)) (local.get $to)) (then
        (if (call $matches (local.get $from) (local.get $constant)) (then
          (return (i32.add (local.get $from) (local.get $length)))))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $more))))
    (i32.const 0))

  (func $length (param $constant i32) (result i32)
    (local $end i32)
    (local.set $end (local.get $constant))
    (loop $more
      (if (i32.load8_u (local.get $end)) (then
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $more))))
    (i32.sub (local.get $end) (local.get $constant)))

  ;; How often the constant stands between two places.
  (func $occurrences (param $from i32) (param $to i32) (param $constant i32) (result i64)
    (local $found i64)
    (loop $more
      (local.set $from (call $find (local.get $from) (local.get $to) (local.get $constant)))
      (if (local.get $from) (then
        (local.set $found (i64.add (local.get $found) (i64.const 1)))
        (br $more))))
    (local.get $found))

  ;; Sets $at and $size to the text that follows the constant (a name, a colon and a quote); an empty one if there is none.
  (func $text (param $from i32) (param $to i32) (param $constant i32)
    (local $end i32)
    (global.set $size (i32.const 0))
    (local.set $end (call $find (local.get $from) (local.get $to) (local.get $constant)))
    (global.set $at (local.get $end))
    (if (i32.eqz (local.get $end)) (then (return)))
    (block $quote
      (loop $more
        (br_if $quote (i32.eq (i32.load8_u (local.get $end)) (i32.const 0x22)))
        (if (i32.eq (i32.load8_u (local.get $end)) (i32.const 0x5c)) (then
          (local.set $end (i32.add (local.get $end) (i32.const 1)))))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $more)))
    (global.set $size (i32.sub (local.get $end) (global.get $at))))

  ;; Sets $at and $size to the digits that follow the constant.
  (func $digits (param $from i32) (param $to i32) (param $constant i32)
    (local $end i32)
    (local.set $end (call $find (local.get $from) (local.get $to) (local.get $constant)))
    (global.set $at (local.get $end))
    (if (local.get $end) (then
      (loop $more
        (if (i32.lt_u (i32.sub (i32.load8_u (local.get $end)) (i32.const 0x30)) (i32.const 10)) (then
          (local.set $end (i32.add (local.get $end) (i32.const 1)))
          (br $more))))))
    (global.set $size (i32.sub (local.get $end) (global.get $at))))

  (func $latch_text (param $constant i32)
    (call $text (i32.const 0x200000) (global.get $latch_end) (local.get $constant)))

  (func $object_text (param $constant i32)
    (call $text (global.get $object) (global.get $input_end) (local.get $constant)))

  ;; --- Writing -----------------------------------------------------------------------------------------------------

  (func $begin (global.set $out (i32.const 0x400000)))

  (func $raw (param $from i32) (param $length i32)
    (memory.copy (global.get $out) (local.get $from) (local.get $length))
    (global.set $out (i32.add (global.get $out) (local.get $length))))

  (func $put (param $constant i32)
    (call $raw (local.get $constant) (call $length (local.get $constant))))

  (func $found (call $raw (global.get $at) (global.get $size)))
  (func $put_name (call $raw (global.get $name) (global.get $name_size)))
  (func $put_namespace (call $raw (global.get $namespace) (global.get $namespace_size)))

  (func $byte (param $byte i32)
    (i32.store8 (global.get $out) (local.get $byte))
    (global.set $out (i32.add (global.get $out) (i32.const 1))))

  (func $number (param $value i64)
    (if (i64.ge_u (local.get $value) (i64.const 10)) (then
      (call $number (i64.div_u (local.get $value) (i64.const 10)))))
    (call $byte (i32.add (i32.const 0x30) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10))))))

  (func $hexadecimal (param $digit i32)
    (call $byte (i32.add (local.get $digit)
      (select (i32.const 0x30) (i32.const 0x57) (i32.lt_u (local.get $digit) (i32.const 10))))))

  (func $from (result i32) (i32.const 0x400000))
  (func $written (result i32) (i32.sub (global.get $out) (i32.const 0x400000)))

  (func $line (param $level i32) (call $log (local.get $level) (call $from) (call $written)))

  (func $say (param $level i32) (param $constant i32)
    (call $begin)
    (call $put (local.get $constant))
    (call $line (local.get $level)))

  ;; What was written, as an export's result.
  (func $packed (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (call $from)) (i64.const 32)) (i64.extend_i32_u (call $written))))

  ;; A constant as an export's result.
  (func $constant (param $constant i32) (result i64)
    (call $begin)
    (call $put (local.get $constant))
    (call $packed))

  ;; --- Answers of a reconcile ----------------------------------------------------------------------------------------

  ;; Of an import's code: 0 for success, else what its latch leads to.
  (func $done (param $code i32) (result i64)
    (if (i32.ge_s (local.get $code) (i32.const 0)) (then (return (i64.const 0))))
    (if (i32.eq (local.get $code) (i32.const -12)) (then (return (call $constant (i32.const 0x1000)))))  ;; {"requeueOn":"sync"}
    (call $begin)
    (if (i32.eq (local.get $code) (i32.const -8))
      (then
        (call $put (i32.const 0x1015))  ;; {"requeueAfterMs":
        (call $digits (i32.const 0x200000) (global.get $latch_end) (i32.const 0x1028))  ;; "retryAfterMs":
        (call $found))
      (else
        (call $put (i32.const 0x1038))  ;; {"error":"
        (call $put_code (local.get $code))
        (call $put (i32.const 0x1043))  ;; : 
        (call $latch_text (i32.const 0x1046))  ;; "message":"
        (call $found)
        (call $put (i32.const 0x1052))  ;; "
        (if (call $is_final (local.get $code)) (then (call $put (i32.const 0x1054))))))  ;; ,"terminal":true
    (call $put (i32.const 0x1065))  ;; }
    (call $packed))

  ;; denied, watch_clash, invalid and unsupported: a bit for each.
  (func $is_final (param $code i32) (result i32)
    (i32.and (i32.shr_u (i32.const 0x40c4) (i32.sub (i32.const 0) (local.get $code))) (i32.const 1)))

  ;; The names of the codes follow each other, with a zero byte behind each.
  (func $put_code (param $code i32)
    (local $constant i32)
    (local.set $constant (i32.const 0x1067))  ;; the first of the codes' names
    (loop $more
      (if (i32.lt_s (local.get $code) (i32.const -1)) (then
        (local.set $constant (i32.add (local.get $constant) (i32.add (i32.const 1) (call $length (local.get $constant)))))
        (local.set $code (i32.add (local.get $code) (i32.const 1)))
        (br $more))))
    (call $put (local.get $constant)))

  ;; Notes the text that was found.
  (func $note (param $reason i32) (result i64)
    (local $at i32) (local $size i32)
    (local.set $at (global.get $at))
    (local.set $size (global.get $size))
    (call $begin)
    (call $put (i32.const 0x10f1))  ;; {"regarding":{"apiVersion":"v1","kind":"ConfigMap","namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x1132))  ;; ","name":"
    (call $put_name)
    (call $put (i32.const 0x113d))  ;; "},"type":"Normal","reason":"
    (call $put (local.get $reason))
    (call $put (i32.const 0x115b))  ;; ","note":"
    (call $raw (local.get $at) (local.get $size))
    (call $put (i32.const 0x1166))  ;; "}
    (call $done (call $answer (call $event (call $from) (call $written)))))

  ;; --- Exports -----------------------------------------------------------------------------------------------------

  (func (export "edged_ctl_setup") (param $length i32) (result i64)
    (if (i32.eqz (call $read_input (local.get $length))) (then (return (i64.const -3))))
    (call $digits (i32.const 0x10000) (global.get $input_end) (i32.const 0x1169))  ;; "limit":
    (if (i32.eqz (global.get $size)) (then (return (i64.const -3))))
    (call $begin)
    (call $put (i32.const 0x1172))  ;; setup 
    (call $input_word (i32.const 0x1179))  ;; "module":"
    (call $input_word (i32.const 0x1184))  ;; "node":"
    (call $input_word (i32.const 0x118d))  ;; "reason":"
    (call $digits (i32.const 0x10000) (global.get $input_end) (i32.const 0x1198))  ;; "generation":
    (call $found)
    (call $byte (i32.const 0x20))
    (call $input_word (i32.const 0x11a6))  ;; "greeting":"
    (call $number (call $occurrences
      (call $find (i32.const 0x10000) (global.get $input_end) (i32.const 0x11b3)) (global.get $input_end) (i32.const 0x11c2)))  ;; "openWatches":  "id":
    (call $line (i32.const 1))
    (call $constant (i32.const 0x11c8)))  ;; the manifest

  (func $input_word (param $constant i32)
    (call $text (i32.const 0x10000) (global.get $input_end) (local.get $constant))
    (call $found)
    (call $byte (i32.const 0x20)))

  (func (export "edged_ctl_reconcile") (param $length i32) (result i64)
    (if (i32.eqz (call $read_input (local.get $length))) (then (return (i64.const -3))))
    (call $text (i32.const 0x10000) (global.get $input_end) (i32.const 0x13ab))  ;; "namespace":"
    (global.set $namespace (global.get $at))
    (global.set $namespace_size (global.get $size))
    (call $text (i32.const 0x10000) (global.get $input_end) (i32.const 0x13b9))  ;; "name":"
    (global.set $name (global.get $at))
    (global.set $name_size (global.get $size))
    (global.set $object (call $find (i32.const 0x10000) (global.get $input_end) (i32.const 0x13c2)))  ;; "object":
    (call $begin)
    (if (call $is (i32.const 0x13cc)) (then (return (call $note_settings (i32.const 0x1166)))))  ;; get  "}
    (if (call $is (i32.const 0x13d0)) (then (return (call $note_settings (i32.const 0x13d9)))))  ;; get-live  ","live":true,"watch":"configs"}
    (if (call $is (i32.const 0x13fa)) (then (return (call $mirror))))  ;; mirror
    (if (call $is (i32.const 0x1401)) (then  ;; mirror-own
      (call $object_text (i32.const 0x140c))  ;; "text":"
      (return (call $mirrored))))
    (if (call $is (i32.const 0x1415)) (then  ;; echo
      (call $object_text (i32.const 0x140c))  ;; "text":"
      (return (call $note (i32.const 0x141a)))))  ;; Echo
    (if (call $is (i32.const 0x141f)) (then (return (call $pages))))  ;; list
    (if (call $is (i32.const 0x1424)) (then (return (call $indexed))))  ;; list-index
    (if (call $is (i32.const 0x142f)) (then (return (call $create))))  ;; create
    (if (call $is (i32.const 0x1436)) (then (return (call $update))))  ;; update
    (if (call $is (i32.const 0x143d)) (then (return (call $patch  ;; patch-merge
      (i32.const 0x1449)))))  ;; ","patchType":"merge","patch":{"metadata":{"annotations":{"seen":"yes","old":null}}},"settle":false}
    (if (call $is (i32.const 0x14ae)) (then (return (call $patch  ;; patch-json
      (i32.const 0x14b9)))))  ;; the rest of the request
    (if (call $is (i32.const 0x153c)) (then (return (call $apply))))  ;; apply
    (if (call $is (i32.const 0x1542)) (then (return (call $delete))))  ;; delete
    (if (call $is (i32.const 0x1549)) (then (return (call $watch))))  ;; watch
    (if (call $is (i32.const 0x154f)) (then (return (call $unwatch))))  ;; unwatch
    (if (call $is (i32.const 0x1557)) (then (return (call $later))))  ;; enqueue
    (if (call $is (i32.const 0x155f)) (then (return (call $extension))))  ;; ext
    (if (call $is (i32.const 0x1563)) (then (return (call $clock))))  ;; clock
    (if (call $is (i32.const 0x1569)) (then  ;; log
      (call $say (i32.const 0) (i32.const 0x156d))  ;; debug ä
      (call $say (i32.const 1) (i32.const 0x1576))  ;; info ö
      (call $say (i32.const 2) (i32.const 0x157e))  ;; warning ü
      (call $say (i32.const 3) (i32.const 0x1589))))  ;; error ß
    (if (call $is (i32.const 0x1592)) (then  ;; gone
      (if (call $matches (global.get $object) (i32.const 0x1597))  ;; null
        (then (call $say (i32.const 1) (i32.const 0x1592)))  ;; gone
        (else (call $say (i32.const 1) (i32.const 0x159c))))))  ;; there
    (if (call $is (i32.const 0x15a2)) (then (return (call $constant (i32.const 0x15aa)))))  ;; requeue  {"requeueAfterMs":2500}
    (if (call $is (i32.const 0x15c2)) (then (return (call $constant (i32.const 0x15c7)))))  ;; fail  {"error":"as asked"}
    (if (call $is (i32.const 0x15dc)) (then (return (call $constant (i32.const 0x15e5)))))  ;; terminal  {"error":"as asked","terminal":true}
    (if (call $is (i32.const 0x160a)) (then (return (call $counted))))  ;; count
    (if (call $is (i32.const 0x1610)) (then (unreachable)))  ;; trap
    (i64.const 0))

  ;; Whether the key has that name.
  (func $is (param $constant i32) (result i32)
    (if (i32.ne (call $length (local.get $constant)) (global.get $name_size)) (then (return (i32.const 0))))
    (call $matches (global.get $name) (local.get $constant)))

  ;; Gets the ConfigMap `settings`; the constant ends the request. The code of the answer.
  (func $settings (param $rest i32) (result i32)
    (call $begin)
    (call $put (i32.const 0x1615))  ;; {"apiVersion":"v1","kind":"ConfigMap","namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x1649))  ;; ","name":"settings
    (call $put (local.get $rest))
    (call $answer (call $get (call $from) (call $written))))

  (func $note_settings (param $rest i32) (result i64)
    (local $code i32)
    (local.set $code (call $settings (local.get $rest)))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (return (call $done (local.get $code)))))
    (call $latch_text (i32.const 0x140c))  ;; "text":"
    (call $note (i32.const 0x165c)))  ;; Read

  (func $mirror (result i64)
    (local $code i32)
    (local.set $code (call $settings (i32.const 0x1166)))  ;; "}
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (return (call $done (local.get $code)))))
    (call $latch_text (i32.const 0x140c))  ;; "text":"
    (call $mirrored))

  ;; Gives the text that was found to the key's ConfigMap.
  (func $mirrored (result i64)
    (local $at i32) (local $size i32)
    (local.set $at (global.get $at))
    (local.set $size (global.get $size))
    (call $begin_write (i32.const 0x1661))  ;; patch
    (call $put_name)
    (call $put (i32.const 0x1667))  ;; ","patchType":"merge","patch":{"data":{"text":"
    (call $raw (local.get $at) (local.get $size))
    (call $put (i32.const 0x1697))  ;; "}}}
    (call $done (call $send)))

  (func $pages (result i64)
    (local $code i32) (local $found i64)
    (call $begin)
    (call $begin_page)
    (loop $more
      (call $put (i32.const 0x1065))  ;; }
      (local.set $code (call $answer (call $list (call $from) (call $written))))
      (if (i32.lt_s (local.get $code) (i32.const 0)) (then (return (call $done (local.get $code)))))
      (local.set $found (i64.add (local.get $found) (call $occurrences
        (i32.const 0x200000) (global.get $latch_end) (i32.const 0x169c))))  ;; "metadata":
      (call $latch_text (i32.const 0x16a8))  ;; "continue":"
      (if (global.get $size) (then
        (call $begin_page)
        (call $put (i32.const 0x16b5))  ;; ,"continue":"
        (call $found)
        (call $put (i32.const 0x1052))  ;; "
        (br $more))))
    (call $listed (local.get $found)))

  (func $begin_page
    (call $begin)
    (call $put (i32.const 0x1615))  ;; {"apiVersion":"v1","kind":"ConfigMap","namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x16c3)))  ;; ","labelSelector":"app=web","fields":["/metadata/name"],"limit":2

  (func $indexed (result i64)
    (local $code i32)
    (call $begin)
    (call $put (i32.const 0x1705))  ;; {"apiVersion":"v1","kind":"ConfigMap","watch":"configs","index":{"name":"by-text","value":"Grüße, 世界"}}
    (local.set $code (call $answer (call $list (call $from) (call $written))))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (return (call $done (local.get $code)))))
    (call $listed (call $occurrences (i32.const 0x200000) (global.get $latch_end) (i32.const 0x169c))))  ;; "metadata":

  (func $listed (param $found i64) (result i64)
    (call $begin)
    (call $put (i32.const 0x1773))  ;; {"name":"listed","op":"set","value":
    (call $number (local.get $found))
    (call $put (i32.const 0x1798))  ;; ,"labels":{"kind":"ConfigMap"}}
    (call $done (call $answer (call $metric (call $from) (call $written)))))

  ;; A write's request up to the name.
  (func $begin_write (param $verb i32)
    (call $begin)
    (call $put (i32.const 0x17b8))  ;; {"verb":"
    (call $put (local.get $verb))
    (call $put (i32.const 0x17c2))  ;; ","apiVersion":"v1","kind":"ConfigMap","namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x1132)))  ;; ","name":"

  (func $send (result i32) (call $answer (call $write (call $from) (call $written))))

  (func $create (result i64)
    (local $code i32)
    (call $begin_write (i32.const 0x142f))  ;; create
    (call $put (i32.const 0x17f7))  ;; copy","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"copy","namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x1854))  ;; "},"data":{"text":"Grüße, 世界 🚀 \"quoted\" \\ back"}},"onExists":"return",
    (call $put (i32.const 0x18a7))  ;; "ownedBy":{"apiVersion":"v1","kind":"ConfigMap","name":"
    (call $put_name)
    (call $put (i32.const 0x18e0))  ;; ","uid":"
    (call $object_text (i32.const 0x18ea))  ;; "uid":"
    (call $found)
    (call $put (i32.const 0x18f2))  ;; "}}
    (local.set $code (call $send))
    (if (i32.eq (local.get $code) (i32.const -4)) (then
      (call $latch_text (i32.const 0x18ea))  ;; "uid":"
      (return (call $note (i32.const 0x18f6)))))  ;; Exists
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (return (call $done (local.get $code)))))
    (call $text (call $find (i32.const 0x200000) (global.get $latch_end) (i32.const 0x18fd)) (global.get $latch_end) (i32.const 0x18ea))  ;; "rv":  "uid":"
    (call $note (i32.const 0x1903)))  ;; Created

  (func $update (result i64)
    (local $code i32)
    (call $begin_write (i32.const 0x1436))  ;; update
    (call $put_name)
    (call $put (i32.const 0x190b))  ;; ","subresource":"status","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x1132))  ;; ","name":"
    (call $put_name)
    (call $put (i32.const 0x196d))  ;; "},"status":{"phase":"Ready"}},"preconditions":{"uid":"
    (call $object_text (i32.const 0x18ea))  ;; "uid":"
    (call $found)
    (call $put (i32.const 0x19a5))  ;; ","resourceVersion":"
    (call $object_text (i32.const 0x19bb))  ;; "resourceVersion":"
    (call $found)
    (call $put (i32.const 0x18f2))  ;; "}}
    (local.set $code (call $send))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (return (call $done (local.get $code)))))
    (call $latch_text (i32.const 0x19cf))  ;; "rv":"
    (call $note (i32.const 0x19d6)))  ;; Updated

  (func $patch (param $rest i32) (result i64)
    (call $begin_write (i32.const 0x1661))  ;; patch
    (call $put_name)
    (call $put (local.get $rest))
    (call $done (call $send)))

  (func $apply (result i64)
    (local $code i32)
    (call $begin_write (i32.const 0x153c))  ;; apply
    (call $put (i32.const 0x19de))  ;; applied","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied","namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x1a41))  ;; "},"data":{"text":"applied"}},"force":true}
    (local.set $code (call $send))
    (if (i32.eq (local.get $code) (i32.const -5)) (then
      (call $latch_text (i32.const 0x1a6d))  ;; "fields":["
      (return (call $note (i32.const 0x1a79)))))  ;; Conflict
    (call $done (local.get $code)))

  (func $delete (result i64)
    (local $code i32)
    (call $begin_write (i32.const 0x1542))  ;; delete
    (call $put_name)
    (call $put (i32.const 0x1a82))  ;; ","preconditions":{"uid":"
    (call $object_text (i32.const 0x18ea))  ;; "uid":"
    (call $found)
    (call $put (i32.const 0x1a9d))  ;; "},"propagation":"Background"}
    (local.set $code (call $send))
    (if (i32.eq (local.get $code) (i32.const -3)) (then (return (i64.const 0))))
    (call $done (local.get $code)))

  (func $watch (result i64)
    (local $code i32)
    (call $begin)
    (call $put (i32.const 0x1abc))  ;; {"id":"vni-42","apiVersion":"v1","kind":"ConfigMap","namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x1afe))  ;; ","labelSelector":"app=web","fieldSelector":"metadata.name!=x","map":[{"by":"owner","kind":"ConfigMap"},
    (call $put (i32.const 0x1b67))  ;; {"by":"path","kind":"ConfigMap","pointer":"/data/target"},{"by":"index","watch":"configs","index":"by-text"}],
    (call $put (i32.const 0x1bd6))  ;; "on":["/data","/metadata/labels"],"where":[{"pointer":"/data/ready","eq":true}],
    (call $put (i32.const 0x1c27))  ;; "indexes":{"vni":["/data/vni","/metadata/name"]},"keep":["/metadata","/data"],
    (call $put (i32.const 0x1c76))  ;; "selectorFallback":"client","onClose":"silent"}
    (local.set $code (call $answer (call $watch_open (call $from) (call $written))))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (return (call $done (local.get $code)))))
    (if (call $find (i32.const 0x200000) (global.get $latch_end) (i32.const 0x1ca6)) (then (return (i64.const 0))))  ;; "synced":true
    (call $constant (i32.const 0x1000)))  ;; {"requeueOn":"sync"}

  (func $unwatch (result i64)
    (local $code i32)
    (call $begin)
    (call $put (i32.const 0x1cb4))  ;; {"id":"vni-42"}
    (local.set $code (call $answer (call $watch_close (call $from) (call $written))))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (return (call $done (local.get $code)))))
    (call $begin)
    (call $put (i32.const 0x1cc4))  ;; {"name":"dropped","op":"set","value":
    (call $digits (i32.const 0x200000) (global.get $latch_end) (i32.const 0x1cea))  ;; "dropped":
    (call $found)
    (call $put (i32.const 0x1065))  ;; }
    (call $done (call $answer (call $metric (call $from) (call $written)))))

  (func $later (result i64)
    (call $begin)
    (call $put (i32.const 0x1cf5))  ;; {"key":{"kind":"ConfigMap","name":"later","namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x1d2d))  ;; "},"afterMs":1500}
    (call $done (call $answer (call $enqueue (call $from) (call $written)))))

  (func $extension (result i64)
    (local $code i32)
    (call $begin)
    (call $put (i32.const 0x1d40))  ;; {"ext":"netfabric","op":"list","args":{"vni":42}}
    (local.set $code (call $answer (call $ext (call $from) (call $written))))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (return (call $done (local.get $code)))))
    (call $latch_text (i32.const 0x140c))  ;; "text":"
    (call $note (i32.const 0x1d72)))  ;; Ext

  ;; The random bytes lie where the latch was.
  (func $clock (result i64)
    (local $index i32) (local $byte i32)
    (call $begin)
    (call $number (call $now_ms))
    (call $byte (i32.const 0x20))
    (call $number (call $mono_ms))
    (call $byte (i32.const 0x20))
    (drop (call $random (i32.const 0x200000) (i32.const 4)))
    (loop $more
      (local.set $byte (i32.load8_u (i32.add (i32.const 0x200000) (local.get $index))))
      (call $hexadecimal (i32.shr_u (local.get $byte) (i32.const 4)))
      (call $hexadecimal (i32.and (local.get $byte) (i32.const 15)))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $index) (i32.const 4))))
    (call $line (i32.const 1))
    (i64.const 0))

  (func $counted (result i64)
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (call $begin)
    (call $put (i32.const 0x1d76))  ;; {"name":"counted","op":"inc","value":
    (call $number (global.get $count))
    (call $put (i32.const 0x1065))  ;; }
    (call $done (call $answer (call $metric (call $from) (call $written)))))

  ;; A key for the old target, if it is another one, and one for the new.
  (func (export "edged_ctl_map") (param $length i32) (result i64)
    (local $old i32) (local $old_size i32)
    (if (i32.eqz (call $read_input (local.get $length))) (then (return (i64.const -3))))
    (global.set $object (call $find (i32.const 0x10000) (global.get $input_end) (i32.const 0x13c2)))  ;; "object":
    (call $text (global.get $object) (global.get $input_end) (i32.const 0x13ab))  ;; "namespace":"
    (global.set $namespace (global.get $at))
    (global.set $namespace_size (global.get $size))
    (call $text (i32.const 0x10000) (global.get $object) (i32.const 0x1d9c))  ;; "target":"
    (local.set $old (global.get $at))
    (local.set $old_size (global.get $size))
    (call $begin)
    (call $put (i32.const 0x1da7))  ;; {"keys":[
    (call $object_text (i32.const 0x1d9c))  ;; "target":"
    (if (i32.and (i32.ne (local.get $old_size) (i32.const 0)) (i32.eqz (call $same (local.get $old) (local.get $old_size))))
      (then
        (call $put_key (local.get $old) (local.get $old_size))
        (if (global.get $size) (then (call $put (i32.const 0x1db1))))))  ;; ,
    (if (global.get $size) (then (call $put_key (global.get $at) (global.get $size))))
    (call $put (i32.const 0x1db3))  ;; ]}
    (call $packed))

  (func $put_key (param $at i32) (param $size i32)
    (call $put (i32.const 0x1db6))  ;; {"kind":"ConfigMap","namespace":"
    (call $put_namespace)
    (call $put (i32.const 0x1132))  ;; ","name":"
    (call $raw (local.get $at) (local.get $size))
    (call $put (i32.const 0x1166)))  ;; "}

  ;; Whether a text is the one that was found.
  (func $same (param $at i32) (param $size i32) (result i32)
    (local $index i32)
    (if (i32.ne (local.get $size) (global.get $size)) (then (return (i32.const 0))))
    (loop $more
      (if (i32.ge_u (local.get $index) (local.get $size)) (then (return (i32.const 1))))
      (if (i32.eq
          (i32.load8_u (i32.add (local.get $at) (local.get $index)))
          (i32.load8_u (i32.add (global.get $at) (local.get $index))))
        (then
          (local.set $index (i32.add (local.get $index) (i32.const 1)))
          (br $more))))
    (i32.const 0))

  (func (export "edged_ctl_admit") (param $length i32) (result i64)
    (if (i32.eqz (call $read_input (local.get $length))) (then (return (i64.const -3))))
    (call $text
      (call $find (i32.const 0x10000) (global.get $input_end) (i32.const 0x13c2))  ;; "object":
      (call $find (i32.const 0x10000) (global.get $input_end) (i32.const 0x1dd8))  ;; "oldObject":
      (i32.const 0x140c))  ;; "text":"
    (if (i32.eqz (global.get $size)) (then
      (return (call $constant (i32.const 0x1de5)))))  ;; {"allowed":false,"status":{"message":"text is missing","code":422}}
    (if (call $same (i32.const 0x1e29) (i32.const 5)) (then (return (call $constant (i32.const 0x1e2f)))))  ;; plain  {"allowed":true}
    (call $begin)
    (call $put (i32.const 0x1e40))  ;; {"allowed":true,"patch":[{"op":"add","path":"/metadata/labels","value":{"seen":"yes"}}],
    (call $put (i32.const 0x1e99))  ;; "warnings":["labelled on 
    (call $text (i32.const 0x10000) (global.get $input_end) (i32.const 0x1eb3))  ;; "operation":"
    (call $found)
    (call $put (i32.const 0x1ec1))  ;; "]}
    (call $packed))

  (func (export "edged_ctl_snapshot") (result i64)
    (call $begin)
    (call $put (i32.const 0x1ec5))  ;; {"count":
    (call $number (global.get $count))
    (call $put (i32.const 0x1065))  ;; }
    (call $packed))

  (func (export "edged_ctl_restore") (param $length i32) (result i64)
    (local $value i64)
    (if (i32.eqz (call $read_input (local.get $length))) (then (return (i64.const -3))))
    (call $digits (i32.const 0x10000) (global.get $input_end) (i32.const 0x1ecf))  ;; "count":
    (if (i32.eqz (global.get $size)) (then (return (i64.const -3))))
    (loop $more
      (local.set $value (i64.add
        (i64.mul (local.get $value) (i64.const 10))
        (i64.extend_i32_u (i32.sub (i32.load8_u (global.get $at)) (i32.const 0x30)))))
      (global.set $at (i32.add (global.get $at) (i32.const 1)))
      (global.set $size (i32.sub (global.get $size) (i32.const 1)))
      (br_if $more (global.get $size)))
    (global.set $count (local.get $value))
    (i64.const 0))

  (func (export "edged_ctl_stop") (result i64)
    (call $say (i32.const 1) (i32.const 0x1ed8))  ;; stopped
    (i64.const 0))

  ;; --- Constants ---------------------------------------------------------------------------------------------------

  (data (i32.const 0x1000) "{\"requeueOn\":\"sync\"}\00")
  (data (i32.const 0x1015) "{\"requeueAfterMs\":\00")
  (data (i32.const 0x1028) "\"retryAfterMs\":\00")
  (data (i32.const 0x1038) "{\"error\":\"\00")
  (data (i32.const 0x1043) ": \00")
  (data (i32.const 0x1046) "\"message\":\"\00")
  (data (i32.const 0x1052) "\"\00")
  (data (i32.const 0x1054) ",\"terminal\":true\00")
  (data (i32.const 0x1065) "}\00")
  (data (i32.const 0x1067)
    "internal\00"
    "denied\00"
    "not_found\00"
    "already_exists\00"
    "conflict\00"
    "watch_clash\00"
    "invalid\00"
    "throttled\00"
    "unknown\00"
    "limit\00"
    "unavailable\00"
    "not_synced\00"
    "deadline\00"
    "unsupported\00")
  (data (i32.const 0x10f1) "{\"regarding\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"namespace\":\"\00")
  (data (i32.const 0x1132) "\",\"name\":\"\00")
  (data (i32.const 0x113d) "\"},\"type\":\"Normal\",\"reason\":\"\00")
  (data (i32.const 0x115b) "\",\"note\":\"\00")
  (data (i32.const 0x1166) "\"}\00")
  (data (i32.const 0x1169) "\"limit\":\00")
  (data (i32.const 0x1172) "setup \00")
  (data (i32.const 0x1179) "\"module\":\"\00")
  (data (i32.const 0x1184) "\"node\":\"\00")
  (data (i32.const 0x118d) "\"reason\":\"\00")
  (data (i32.const 0x1198) "\"generation\":\00")
  (data (i32.const 0x11a6) "\"greeting\":\"\00")
  (data (i32.const 0x11b3) "\"openWatches\":\00")
  (data (i32.const 0x11c2) "\"id\":\00")
  (data (i32.const 0x11c8)
    "{\"for\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"},"
    "\"watches\":[{\"id\":\"configs\",\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"map\":[{\"by\":\"self\"}],"
    "\"on\":[\"/data\"],"
    "\"indexes\":{\"by-text\":[\"/data/text\"],\"by-owner\":\"owner\"}},"
    "{\"id\":\"nodes\",\"apiVersion\":\"v1\",\"kind\":\"Node\","
    "\"labelSelector\":\"edge=yes\",\"map\":[{\"by\":\"guest\"}],\"mode\":\"metadata\"}],"
    "\"admits\":[{\"operations\":[\"CREATE\",\"UPDATE\"],\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"failurePolicy\":\"Ignore\"}],"
    "\"backoff\":{\"baseMs\":10,\"maxMs\":60000},\"snapshot\":true}" "\00")
  (data (i32.const 0x13ab) "\"namespace\":\"\00")
  (data (i32.const 0x13b9) "\"name\":\"\00")
  (data (i32.const 0x13c2) "\"object\":\00")
  (data (i32.const 0x13cc) "get\00")
  (data (i32.const 0x13d0) "get-live\00")
  (data (i32.const 0x13d9) "\",\"live\":true,\"watch\":\"configs\"}\00")
  (data (i32.const 0x13fa) "mirror\00")
  (data (i32.const 0x1401) "mirror-own\00")
  (data (i32.const 0x140c) "\"text\":\"\00")
  (data (i32.const 0x1415) "echo\00")
  (data (i32.const 0x141a) "Echo\00")
  (data (i32.const 0x141f) "list\00")
  (data (i32.const 0x1424) "list-index\00")
  (data (i32.const 0x142f) "create\00")
  (data (i32.const 0x1436) "update\00")
  (data (i32.const 0x143d) "patch-merge\00")
  (data (i32.const 0x1449) "\",\"patchType\":\"merge\",\"patch\":{\"metadata\":{\"annotations\":{\"seen\":\"yes\",\"old\":null}}},\"settle\":false}\00")
  (data (i32.const 0x14ae) "patch-json\00")
  (data (i32.const 0x14b9) "\",\"patchType\":\"json\",\"patch\":[{\"op\":\"test\",\"path\":\"/data/text\",\"value\":\"here\"},{\"op\":\"remove\",\"path\":\"/data/text\"}],\"dryRun\":true}\00")
  (data (i32.const 0x153c) "apply\00")
  (data (i32.const 0x1542) "delete\00")
  (data (i32.const 0x1549) "watch\00")
  (data (i32.const 0x154f) "unwatch\00")
  (data (i32.const 0x1557) "enqueue\00")
  (data (i32.const 0x155f) "ext\00")
  (data (i32.const 0x1563) "clock\00")
  (data (i32.const 0x1569) "log\00")
  (data (i32.const 0x156d) "debug ä\00")
  (data (i32.const 0x1576) "info ö\00")
  (data (i32.const 0x157e) "warning ü\00")
  (data (i32.const 0x1589) "error ß\00")
  (data (i32.const 0x1592) "gone\00")
  (data (i32.const 0x1597) "null\00")
  (data (i32.const 0x159c) "there\00")
  (data (i32.const 0x15a2) "requeue\00")
  (data (i32.const 0x15aa) "{\"requeueAfterMs\":2500}\00")
  (data (i32.const 0x15c2) "fail\00")
  (data (i32.const 0x15c7) "{\"error\":\"as asked\"}\00")
  (data (i32.const 0x15dc) "terminal\00")
  (data (i32.const 0x15e5) "{\"error\":\"as asked\",\"terminal\":true}\00")
  (data (i32.const 0x160a) "count\00")
  (data (i32.const 0x1610) "trap\00")
  (data (i32.const 0x1615) "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"namespace\":\"\00")
  (data (i32.const 0x1649) "\",\"name\":\"settings\00")
  (data (i32.const 0x165c) "Read\00")
  (data (i32.const 0x1661) "patch\00")
  (data (i32.const 0x1667) "\",\"patchType\":\"merge\",\"patch\":{\"data\":{\"text\":\"\00")
  (data (i32.const 0x1697) "\"}}}\00")
  (data (i32.const 0x169c) "\"metadata\":\00")
  (data (i32.const 0x16a8) "\"continue\":\"\00")
  (data (i32.const 0x16b5) ",\"continue\":\"\00")
  (data (i32.const 0x16c3) "\",\"labelSelector\":\"app=web\",\"fields\":[\"/metadata/name\"],\"limit\":2\00")
  (data (i32.const 0x1705) "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"watch\":\"configs\",\"index\":{\"name\":\"by-text\",\"value\":\"Grüße, 世界\"}}\00")
  (data (i32.const 0x1773) "{\"name\":\"listed\",\"op\":\"set\",\"value\":\00")
  (data (i32.const 0x1798) ",\"labels\":{\"kind\":\"ConfigMap\"}}\00")
  (data (i32.const 0x17b8) "{\"verb\":\"\00")
  (data (i32.const 0x17c2) "\",\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"namespace\":\"\00")
  (data (i32.const 0x17f7) "copy\",\"object\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"copy\",\"namespace\":\"\00")
  (data (i32.const 0x1854) "\"},\"data\":{\"text\":\"Grüße, 世界 🚀 \\\"quoted\\\" \\\\ back\"}},\"onExists\":\"return\",\00")
  (data (i32.const 0x18a7) "\"ownedBy\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"\00")
  (data (i32.const 0x18e0) "\",\"uid\":\"\00")
  (data (i32.const 0x18ea) "\"uid\":\"\00")
  (data (i32.const 0x18f2) "\"}}\00")
  (data (i32.const 0x18f6) "Exists\00")
  (data (i32.const 0x18fd) "\"rv\":\00")
  (data (i32.const 0x1903) "Created\00")
  (data (i32.const 0x190b) "\",\"subresource\":\"status\",\"object\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"namespace\":\"\00")
  (data (i32.const 0x196d) "\"},\"status\":{\"phase\":\"Ready\"}},\"preconditions\":{\"uid\":\"\00")
  (data (i32.const 0x19a5) "\",\"resourceVersion\":\"\00")
  (data (i32.const 0x19bb) "\"resourceVersion\":\"\00")
  (data (i32.const 0x19cf) "\"rv\":\"\00")
  (data (i32.const 0x19d6) "Updated\00")
  (data (i32.const 0x19de) "applied\",\"object\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"applied\",\"namespace\":\"\00")
  (data (i32.const 0x1a41) "\"},\"data\":{\"text\":\"applied\"}},\"force\":true}\00")
  (data (i32.const 0x1a6d) "\"fields\":[\"\00")
  (data (i32.const 0x1a79) "Conflict\00")
  (data (i32.const 0x1a82) "\",\"preconditions\":{\"uid\":\"\00")
  (data (i32.const 0x1a9d) "\"},\"propagation\":\"Background\"}\00")
  (data (i32.const 0x1abc) "{\"id\":\"vni-42\",\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"namespace\":\"\00")
  (data (i32.const 0x1afe) "\",\"labelSelector\":\"app=web\",\"fieldSelector\":\"metadata.name!=x\",\"map\":[{\"by\":\"owner\",\"kind\":\"ConfigMap\"},\00")
  (data (i32.const 0x1b67) "{\"by\":\"path\",\"kind\":\"ConfigMap\",\"pointer\":\"/data/target\"},{\"by\":\"index\",\"watch\":\"configs\",\"index\":\"by-text\"}],\00")
  (data (i32.const 0x1bd6) "\"on\":[\"/data\",\"/metadata/labels\"],\"where\":[{\"pointer\":\"/data/ready\",\"eq\":true}],\00")
  (data (i32.const 0x1c27) "\"indexes\":{\"vni\":[\"/data/vni\",\"/metadata/name\"]},\"keep\":[\"/metadata\",\"/data\"],\00")
  (data (i32.const 0x1c76) "\"selectorFallback\":\"client\",\"onClose\":\"silent\"}\00")
  (data (i32.const 0x1ca6) "\"synced\":true\00")
  (data (i32.const 0x1cb4) "{\"id\":\"vni-42\"}\00")
  (data (i32.const 0x1cc4) "{\"name\":\"dropped\",\"op\":\"set\",\"value\":\00")
  (data (i32.const 0x1cea) "\"dropped\":\00")
  (data (i32.const 0x1cf5) "{\"key\":{\"kind\":\"ConfigMap\",\"name\":\"later\",\"namespace\":\"\00")
  (data (i32.const 0x1d2d) "\"},\"afterMs\":1500}\00")
  (data (i32.const 0x1d40) "{\"ext\":\"netfabric\",\"op\":\"list\",\"args\":{\"vni\":42}}\00")
  (data (i32.const 0x1d72) "Ext\00")
  (data (i32.const 0x1d76) "{\"name\":\"counted\",\"op\":\"inc\",\"value\":\00")
  (data (i32.const 0x1d9c) "\"target\":\"\00")
  (data (i32.const 0x1da7) "{\"keys\":[\00")
  (data (i32.const 0x1db1) ",\00")
  (data (i32.const 0x1db3) "]}\00")
  (data (i32.const 0x1db6) "{\"kind\":\"ConfigMap\",\"namespace\":\"\00")
  (data (i32.const 0x1dd8) "\"oldObject\":\00")
  (data (i32.const 0x1de5) "{\"allowed\":false,\"status\":{\"message\":\"text is missing\",\"code\":422}}\00")
  (data (i32.const 0x1e29) "plain\00")
  (data (i32.const 0x1e2f) "{\"allowed\":true}\00")
  (data (i32.const 0x1e40) "{\"allowed\":true,\"patch\":[{\"op\":\"add\",\"path\":\"/metadata/labels\",\"value\":{\"seen\":\"yes\"}}],\00")
  (data (i32.const 0x1e99) "\"warnings\":[\"labelled on \00")
  (data (i32.const 0x1eb3) "\"operation\":\"\00")
  (data (i32.const 0x1ec1) "\"]}\00")
  (data (i32.const 0x1ec5) "{\"count\":\00")
  (data (i32.const 0x1ecf) "\"count\":\00")
  (data (i32.const 0x1ed8) "stopped\00"))
