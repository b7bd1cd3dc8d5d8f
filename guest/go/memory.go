package wisp

import abi "github.com/wisp-wasm/wisp/guest/go/wit/runtime"

// Bytes that one read of a body asks for: well below the size of the arena that the host writes them to.
const readSize = 64 << 10

// lift runs an import and the copying of its results.
func lift(call func()) { abi.Lift(call) }

// text copies a string out of what the host wrote.
func text(address, length uint32) string { return abi.Text(address, length) }

// arenaBytes is the memory of a list until lift returns.
func arenaBytes(address, length uint32) []byte { return abi.Bytes(address, length) }
