// One Go component with the behaviours that the tests of the Go builder and its guest library need.
package main

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"

	wisp "github.com/wisp-wasm/wisp/guest/go"
)

func init() {
	wisp.Serve(handle)
}

func main() {}

func handle(w *wisp.Response, r *wisp.Request) {
	switch r.Path[strings.LastIndexByte(r.Path, '/')+1:] {
	case "echo":
		_, _ = io.Copy(w, r.Body)
	case "garbage":
		garbage(w, r)
	case "headers":
		for name, value := range r.Header().Each {
			fmt.Fprintf(w, "%s: %s\n", name, value)
		}
	case "panic":
		panic("as asked")
	case "break":
		_, _ = w.WriteString("the first half")
		_ = w.Flush()
		panic("in the middle of a body")
	case "sleep":
		results := make(chan string)
		go func() {
			time.Sleep(10 * time.Millisecond)
			results <- "slept"
		}()
		_, _ = w.WriteString(<-results)
	case "trailers":
		w.Trailer().Set("x-trailer", "yes")
		_, _ = w.WriteString("body")
	case "created":
		w.Status = 201
		w.Header().Set("location", "/elsewhere")
	default:
		_, _ = w.WriteString("Hello, world!")
	}
}

// garbage allocates 16 KiB as often as the query says, reads the clock in between, and tells what the heap holds then.
func garbage(w *wisp.Response, r *wisp.Request) {
	rounds, _ := strconv.Atoi(r.Query)
	kept := make([][]byte, 16)
	for round := range rounds {
		kept[round%len(kept)] = make([]byte, 16<<10)
		if round%64 == 0 {
			_ = time.Now()
			runtime.Gosched()
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	fmt.Fprintf(w, "%d rounds, %d collections, %d bytes", rounds, memory.NumGC, memory.Sys)
}
