package runtime

// A Handle of a resource that is the host's or another component's. It is gone once it has been given away or dropped.
type Handle struct {
	value int32
}

// MakeHandle returns the handle with a number that the host gave.
func MakeHandle(value int32) *Handle {
	handle := &Handle{}
	handle.Set(value)
	return handle
}

// Set gives a number to a handle that has none.
func (h *Handle) Set(value int32) {
	if value == 0 {
		panic("a handle with the number 0")
	}
	if h.value != 0 {
		panic("this handle has a resource already")
	}
	h.value = value
}

// Use returns the number.
func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("this resource was dropped or given away")
	}
	return h.value
}

// Take returns the number, and the handle is gone.
func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// TakeOrNil is Take that returns 0 when the handle is gone already.
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}
