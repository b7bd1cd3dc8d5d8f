// The smallest server of Go's standard library.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("content-type", "text/plain")
		_, _ = response.Write([]byte("Hello, world!"))
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
