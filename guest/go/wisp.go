// Package wisp answers HTTP requests as a WebAssembly component of wasi:http 0.2.
//
//	package main
//
//	import wisp "github.com/wisp-wasm/wisp/guest/go"
//
//	func init() {
//		wisp.Serve(func(w *wisp.Response, r *wisp.Request) {
//			w.WriteString("Hello from Go\n")
//		})
//	}
//
//	func main() {}
//
// A component is a library to its host: init runs once per instance, main never does, and the handler runs once per
// request. Whether an instance sees more than one request is decided in the manifest.
package wisp

import (
	"fmt"
	"os"
	"runtime/debug"
)

// Handler answers one request. It may use goroutines; what they write after it has returned is lost.
type Handler func(w *Response, r *Request)

var handler Handler = func(w *Response, _ *Request) {
	Problem(w, 500, "the component has no handler: call wisp.Serve in an init function")
}

// Serve sets the handler. Call it in an init function.
func Serve(with Handler) { handler = with }

//go:wasmexport wasi:http/incoming-handler@0.2.12#handle
func handleRequest(request, out handle) {
	r := newRequest(request)
	w := &Response{Status: 200, out: out}
	answer(w, r)
	w.finish()
	r.close()
}

// answer calls the handler; a panic in it is logged and answered with 500, and the instance lives on.
func answer(w *Response, r *Request) {
	defer func() {
		failure := recover()
		if failure == nil {
			return
		}
		fmt.Fprintf(os.Stderr, "panic: %v\n\n%s", failure, debug.Stack())
		if w.started {
			// Half an answer must not look like a whole one: only a trap tells the host.
			panic(failure)
		}
		w.header, w.buffer = Header{}, w.buffer[:0]
		Problem(w, 500, "the component failed")
	}()
	handler(w, r)
}
