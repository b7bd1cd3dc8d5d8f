module shapes

go 1.25

require github.com/wisp-wasm/wisp/guest/go v0.1.0
