// This file lets the package declare functions without a body (memory.go links to one of the runtime's).
