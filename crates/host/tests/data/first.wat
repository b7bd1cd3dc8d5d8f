;; A library: it says the word of a number, adds a global that its constructor sets, and asks `second` for the rest.
(module
  (@dylink.0
    (mem-info (memory 16 4) (table 1 0))
    (needed "second"))
  (type $constructor (func))
  (type $number (func (param i32) (result i32)))
  (import "env" "memory" (memory 1))
  (import "env" "__indirect_function_table" (table 1 funcref))
  (import "env" "__stack_pointer" (global $stack (mut i32)))
  (import "env" "__memory_base" (global $memory_base i32))
  (import "env" "__table_base" (global $table_base i32))
  (import "env" "twice" (func $twice (type $number)))
  (import "GOT.mem" "factor" (global $factor (mut i32)))
  (import "GOT.func" "increase" (global $increase (mut i32)))
  (import "$root" "say" (func $say (param i32 i32)))
  (global $added (mut i32) (i32.const 0))
  (func $__wasm_call_ctors (export "__wasm_call_ctors")
    i32.const 1000
    global.set $added)
  (func $__wasm_apply_data_relocs (export "__wasm_apply_data_relocs"))
  (func $process (export "process") (type $number)
    ;; "four" stands at the beginning of the data
    global.get $memory_base
    i32.const 4
    call $say
    ;; ((number * 2) * factor + 1) + 1 + added, the additions through the table
    local.get 0
    call $twice
    global.get $factor
    i32.load
    i32.mul
    global.get $increase
    call_indirect (type $number)
    global.get $table_base
    call_indirect (type $number)
    global.get $added
    i32.add)
  (func $plus_one (type $number)
    local.get 0
    i32.const 1
    i32.add)
  (elem (global.get $table_base) func $plus_one)
  (data (global.get $memory_base) "four\00\00\00\00\00\00\00\00\00\00\00\00"))
