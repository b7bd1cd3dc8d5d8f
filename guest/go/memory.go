package wisp

import (
	"sync"
	"unsafe"
)

// How the host hands lists and strings to this module.
//
// The canonical ABI has the host call cabi_realloc in the middle of an import. Go's allocator must not run there: it may
// start the garbage collector, which reads the clock, and a component cannot call an import while it is inside
// cabi_realloc. Before the runtime is initialised it does not work at all. So cabi_realloc gives out pieces of an arena
// that Go's heap does not know, taken from the same place where Go takes its pages (runtime.sbrk), in two phases:
//
//   - Before init has run, pieces are never taken back: the preview-1 adapter keeps its state in one of them.
//   - Afterwards every import that returns a list runs inside lift, which starts the arena anew and has its results copied
//     into Go's heap before it returns. The mutex is held meanwhile, so that another goroutine cannot reuse the arena.
//
// The arena grows when a single import needs more, and never shrinks. Pages that nobody touched cost nothing.

const (
	arenaSize = 1 << 20
	readSize  = 64 << 10 // Bytes that one read of a body asks for: well below arenaSize.
)

var (
	arenaStart, arenaNext, arenaEnd uintptr
	arenaReady                      bool
	arenaMutex                      sync.Mutex
)

func init() {
	growArena(arenaSize)
	arenaReady = true
}

//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

// growArena replaces the arena; what was given out of the old one stays where it is.
func growArena(size uintptr) {
	arenaStart = uintptr(sbrk(size))
	arenaNext, arenaEnd = arenaStart, arenaStart+size
}

// cabiRealloc must not be split: a stack check could let the scheduler run, and with it the garbage collector.
//
//go:wasmexport cabi_realloc
//go:nosplit
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	start := (arenaNext + align - 1) &^ (align - 1)
	if arenaNext == 0 || start+size > arenaEnd {
		if !arenaReady {
			// The adapter asks for whole pages; one more align leaves room to round up.
			growArena(size + align)
		} else {
			growArena(max(2*(arenaEnd-arenaStart), 2*size+align))
		}
		start = (arenaNext + align - 1) &^ (align - 1)
	}
	arenaNext = start + size
	piece := *(*unsafe.Pointer)(unsafe.Pointer(&start))
	for index := uintptr(0); index < min(oldSize, size); index++ {
		*(*byte)(unsafe.Add(piece, index)) = *(*byte)(unsafe.Add(old, index))
	}
	return piece
}

// lift runs an import and the copying of its results.
func lift(call func()) {
	arenaMutex.Lock()
	defer arenaMutex.Unlock()
	arenaNext = arenaStart
	call()
}

// text copies a string out of the arena.
func text(address, length uint32) string {
	return string(arenaBytes(address, length))
}

// arenaBytes is the memory of a list until lift returns.
func arenaBytes(address, length uint32) []byte {
	if length == 0 {
		return nil
	}
	start := uintptr(address)
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&start))), length)
}
