module github.com/wisp-wasm/wisp/guest/go

go 1.25
