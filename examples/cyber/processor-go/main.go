// The processor of the cyber system, in Go.
package main

import _ "processor/bindings/wit_exports"

// main is never called: a component is a library to its host.
func main() {}
