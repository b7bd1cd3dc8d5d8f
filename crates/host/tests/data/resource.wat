;; A resource whose destructor goes through a table, because the module that knows it can only be made when the resource exists.
(component
  (import "note" (func $note (param "number" u32)))
  (core module $shim
    (type $destructor (func (param i32)))
    (table (export "table") 1 1 funcref)
    (func (export "0") (param i32)
      local.get 0
      i32.const 0
      call_indirect (type $destructor)))
  (core instance $shim (instantiate $shim))
  (type $thing (resource (rep i32) (dtor (core func $shim "0"))))
  (core func $new (canon resource.new $thing))
  (core func $note (canon lower (func $note)))
  (core module $base
    (import "host" "note" (func $note (param i32)))
    (export "note" (func $note))
    (global (export "scale") i32 (i32.const 1)))
  (core instance $base (instantiate $base (with "host" (instance (export "note" (func $note))))))
  (core module $main
    (import "base" "note" (func $note (param i32)))
    (import "base" "scale" (global $scale i32))
    (import "resource" "new" (func $new (param i32) (result i32)))
    (func (export "make") (param i32) (result i32)
      local.get 0
      global.get $scale
      i32.mul
      call $new)
    (func (export "drop") (param i32)
      local.get 0
      call $note))
  (core instance $main (instantiate $main
    (with "base" (instance $base))
    (with "resource" (instance (export "new" (func $new))))))
  (core module $fill
    (import "" "table" (table 1 1 funcref))
    (import "" "0" (func $drop (param i32)))
    (elem (i32.const 0) func $drop))
  (core instance (instantiate $fill (with "" (instance
    (export "table" (table $shim "table"))
    (export "0" (func $main "drop"))))))
  (export $exported "thing" (type $thing))
  (func (export "make") (param "number" u32) (result (own $exported))
    (canon lift (core func $main "make"))))
