package wisp

import (
	"strings"
	"unsafe"
)

// Header is a list of header fields in their order; names are compared without regard to case.
type Header struct {
	fields []field
}

type field struct {
	name, value string
}

// Get returns the first value of that name, or the empty string.
func (h *Header) Get(name string) string {
	for _, each := range h.fields {
		if strings.EqualFold(each.name, name) {
			return each.value
		}
	}
	return ""
}

// Values returns all values of that name.
func (h *Header) Values(name string) []string {
	var values []string
	for _, each := range h.fields {
		if strings.EqualFold(each.name, name) {
			values = append(values, each.value)
		}
	}
	return values
}

// Add appends a field and keeps those of the same name.
func (h *Header) Add(name, value string) {
	h.fields = append(h.fields, field{strings.ToLower(name), value})
}

// Set replaces all fields of that name.
func (h *Header) Set(name, value string) {
	h.Delete(name)
	h.Add(name, value)
}

// Delete removes all fields of that name.
func (h *Header) Delete(name string) {
	kept := h.fields[:0]
	for _, each := range h.fields {
		if !strings.EqualFold(each.name, name) {
			kept = append(kept, each)
		}
	}
	h.fields = kept
}

// Each calls yield with every field in order, until it returns false; it is for range.
func (h *Header) Each(yield func(name, value string) bool) {
	for _, each := range h.fields {
		if !yield(each.name, each.value) {
			return
		}
	}
}

const entrySize = 16 // A tuple of a string and a list: two addresses, two lengths.

// readHeader copies the fields of the host and drops them there.
func readHeader(fields handle) Header {
	var header Header
	lift(func() {
		fieldsEntries(fields, areaPointer())
		list := arenaBytes(areaWord(0), areaWord(4)*entrySize)
		for ; len(list) > 0; list = list[entrySize:] {
			entry := (*[4]uint32)(unsafe.Pointer(unsafe.SliceData(list)))
			header.fields = append(header.fields, field{text(entry[0], entry[1]), text(entry[2], entry[3])})
		}
	})
	dropFields(fields)
	return header
}

// writeHeader makes fields at the host; those that HTTP forbids are left out.
func writeHeader(header Header) handle {
	fields := newFields()
	for _, each := range header.fields {
		name, value := unsafe.StringData(each.name), unsafe.StringData(each.value)
		lift(func() {
			fieldsAppend(fields, unsafe.Pointer(name), uint32(len(each.name)), unsafe.Pointer(value), uint32(len(each.value)), areaPointer())
		})
	}
	return fields
}
