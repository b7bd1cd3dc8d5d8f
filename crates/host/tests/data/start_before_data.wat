;; The start function of the first module sees memory before the second one writes to it.
(component
  (core module $first
    (memory (export "memory") 1)
    (global $seen (export "seen") (mut i32) (i32.const 0))
    (func $start
      i32.const 0
      i32.load
      global.set $seen)
    (start $start))
  (core instance $first (instantiate $first))
  (core module $second
    (import "first" "memory" (memory 1))
    (data (i32.const 0) "\01"))
  (core instance (instantiate $second (with "first" (instance $first)))))
