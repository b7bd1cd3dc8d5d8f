// Package runtime is what generated bindings and the HTTP service stand on: memory that the host may write to, memory that
// it may read, and handles of resources.
package runtime

import (
	"sync"
	"unsafe"
)

// How the host hands lists and strings to this module.
//
// The canonical ABI has the host call cabi_realloc: before an export is called, for its parameters, and in the middle of an
// import, for its results. The garbage collector must not run there, because it reads the clock, and a component cannot
// call an import while it is inside cabi_realloc; nor may another goroutine, which could call one. And before Go's runtime is
// initialised, its allocator does not work at all. So cabi_realloc gives out memory from one of three places:
//
//   - Before init has run, from an arena that Go's heap does not know, taken from where Go takes its pages (runtime.sbrk).
//     These pieces are never taken back: the preview-1 adapter keeps its state in one of them.
//   - Inside Lift, from the same arena, which Lift starts anew. The caller copies what it wants to keep before it returns.
//   - Else from Go's heap, with the collector held off and the clock stopped. Generated bindings make strings and slices of these pieces without
//     copying them, so until they have done so something must hold the pieces: for results the Pinner that receives them,
//     for parameters the list that Unpin empties.
//
// One mutex guards Lift and Receive, so that another goroutine's import cannot take the place of one whose results are being
// read. The arena grows when a single import needs more, and never shrinks. Pages that nobody touched cost nothing.

const arenaSize = 1 << 20

var (
	arenaStart, arenaNext, arenaEnd uintptr
	ready                           bool
	lifting                         bool
	receiver                        *Pinner
	parameters                      []unsafe.Pointer
	guard                           sync.Mutex
	nothing                         [8]byte
)

func init() {
	growArena(arenaSize)
	ready = true
}

//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

// acquirem marks the thread as one that must not be interrupted: then an allocation neither starts the garbage collector, nor
// helps it, nor lets another goroutine run. What was put off happens at the next ordinary allocation.
//
//go:linkname acquirem runtime.acquirem
func acquirem() unsafe.Pointer

//go:linkname releasem runtime.releasem
func releasem(thread unsafe.Pointer)

// pauseClock has the preview-1 adapter answer from memory when it is asked for the time: an allocation that returns pages to the
// system measures how long that takes.
//
//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func pauseClock(paused bool)

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
	var piece unsafe.Pointer
	if ready && !lifting {
		piece = fromHeap(size)
	} else {
		piece = fromArena(align, size)
	}
	for index := uintptr(0); index < min(oldSize, size); index++ {
		*(*byte)(unsafe.Add(piece, index)) = *(*byte)(unsafe.Add(old, index))
	}
	return piece
}

func fromArena(align, size uintptr) unsafe.Pointer {
	start := (arenaNext + align - 1) &^ (align - 1)
	if arenaNext == 0 || start+size > arenaEnd {
		if !ready {
			// The adapter asks for whole pages; one more align leaves room to round up.
			growArena(size + align)
		} else {
			growArena(max(2*(arenaEnd-arenaStart), 2*size+align))
		}
		start = (arenaNext + align - 1) &^ (align - 1)
	}
	arenaNext = start + size
	return *(*unsafe.Pointer)(unsafe.Pointer(&start))
}

func fromHeap(size uintptr) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(&nothing)
	}
	thread := acquirem()
	pauseClock(true)
	piece := block(size)
	if receiver != nil {
		receiver.hold(piece)
	} else {
		parameters = append(parameters, piece)
	}
	pauseClock(false)
	releasem(thread)
	return piece
}

// block allocates memory that is aligned for any type and holds no pointers of Go's.
func block(size uintptr) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
}

// Unpin lets go of the parameters of an export, once strings and slices have been made of them.
func Unpin() {
	clear(parameters)
	parameters = parameters[:0]
}

// Lift runs an import and the copying of its results.
func Lift(call func()) {
	guard.Lock()
	defer guard.Unlock()
	lifting = true
	arenaNext = arenaStart
	call()
	lifting = false
}

// Text copies a string out of the arena.
func Text(address, length uint32) string {
	return string(Bytes(address, length))
}

// Bytes is the memory of a list until Lift returns.
func Bytes(address, length uint32) []byte {
	if length == 0 {
		return nil
	}
	start := uintptr(address)
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&start))), length)
}
