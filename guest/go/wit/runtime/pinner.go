package runtime

import (
	"runtime"
	"unsafe"
)

// A Pinner holds memory that the host has the address of. Go's heap does not move, so a reference that the garbage
// collector finds is enough. Unlike the runtime's own, it takes any address, an empty string's too.
type Pinner struct {
	held           []unsafe.Pointer
	previous, next *Pinner
}

// pinners is the first of all that hold something: a Pinner may be a part of what it holds itself.
var pinners Pinner

// Pin holds what a pointer points at until Unpin.
func (p *Pinner) Pin(pointer any) {
	p.hold(address(pointer))
}

// address is the second word of an interface value, for pointers the pointer itself.
func address(pointer any) unsafe.Pointer {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&pointer))[1]
}

func (p *Pinner) hold(pointer unsafe.Pointer) {
	if len(p.held) == 0 {
		p.previous, p.next = &pinners, pinners.next
		if p.next != nil {
			p.next.previous = p
		}
		pinners.next = p
	}
	p.held = append(p.held, pointer)
}

// Unpin lets go of all that is held.
func (p *Pinner) Unpin() {
	if len(p.held) == 0 {
		return
	}
	p.previous.next = p.next
	if p.next != nil {
		p.next.previous = p.previous
	}
	p.previous, p.next = nil, nil
	clear(p.held)
	p.held = p.held[:0]
}

// Receive makes this the Pinner that holds the results of the import that comes next, until the function that it returns is
// called. Other goroutines' imports wait.
func (p *Pinner) Receive() func() {
	guard.Lock()
	receiver = p
	return received
}

func received() {
	receiver = nil
	guard.Unlock()
}

// Allocate returns memory for the host to read or to write, which the Pinner holds.
func Allocate(pinner *Pinner, size, _ uintptr) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(&nothing)
	}
	piece := block(size)
	pinner.hold(piece)
	return piece
}

// AddCleanup has a function called some time after a value can no longer be reached.
func AddCleanup[T, S any](value *T, cleanup func(S), argument S) {
	runtime.AddCleanup(value, cleanup, argument)
}
