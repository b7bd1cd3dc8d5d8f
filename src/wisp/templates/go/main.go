package main

import (
	"fmt"

	wisp "github.com/wisp-wasm/wisp/guest/go"
)

func init() {
	wisp.Serve(handle)
}

// main is never called: a component is a library to its host.
func main() {}

func handle(w *wisp.Response, r *wisp.Request) {
	w.Header().Set("content-type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Hello from Go at %s\n", r.Path)
}
