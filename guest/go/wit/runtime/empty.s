// This file lets the package declare functions without a body (memory.go links to three of Go's runtime).
