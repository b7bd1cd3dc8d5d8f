;; The library that `first` needs.
(module
  (@dylink.0 (mem-info (memory 4 4) (table 0 0)))
  (type $number (func (param i32) (result i32)))
  (import "env" "memory" (memory 1))
  (import "env" "__memory_base" (global $memory_base i32))
  (global $factor_address i32 (i32.const 0))
  (func $__wasm_call_ctors (export "__wasm_call_ctors"))
  (func $__wasm_apply_data_relocs (export "__wasm_apply_data_relocs"))
  (func $twice (export "twice") (type $number)
    local.get 0
    i32.const 2
    i32.mul)
  (func $increase (export "increase") (type $number)
    local.get 0
    i32.const 1
    i32.add)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    unreachable)
  (export "factor" (global $factor_address))
  (data (global.get $memory_base) "\05\00\00\00"))
