// This file lets the package declare functions without a body (imports.go has those that the host gives).
