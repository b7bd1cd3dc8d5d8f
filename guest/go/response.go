package wisp

import (
	"errors"
	"strconv"
	"unsafe"
)

// Response is what the client gets. Up to 4 KiB are held back, so that a short answer has a length and is sent at once.
type Response struct {
	// Status is 200 unless it is changed before the first byte is sent.
	Status int

	out          handle
	header       Header
	trailer      Header
	buffer       []byte
	started      bool
	body, stream handle
	failure      error
}

const bufferSize = 4096

// errClientGone is what a write gives when nobody reads any more.
var errClientGone = errors.New("wisp: the client is gone")

// Header returns the header fields, which can be changed until the first byte is sent.
func (w *Response) Header() *Header { return &w.header }

// Trailer returns the fields that are sent after the body.
func (w *Response) Trailer() *Header { return &w.trailer }

// Write implements io.Writer.
func (w *Response) Write(content []byte) (int, error) {
	if len(w.buffer)+len(content) <= bufferSize {
		w.buffer = append(w.buffer, content...)
		return len(content), w.failure
	}
	w.sendBuffer()
	w.send(content)
	return len(content), w.failure
}

// WriteString implements io.StringWriter.
func (w *Response) WriteString(content string) (int, error) {
	return w.Write([]byte(content))
}

// Flush sends what is held back and waits until the host has taken it: for events that must not wait.
func (w *Response) Flush() error {
	w.sendBuffer()
	if w.failure == nil {
		lift(func() {
			streamFlush(w.stream, areaPointer())
			w.checkStream(0, 4)
		})
	}
	return w.failure
}

// start sends the head.
func (w *Response) start() {
	if w.started {
		return
	}
	w.started = true
	response := newResponse(writeHeader(w.header))
	if responseSetStatus(response, int32(w.Status)) != 0 {
		responseSetStatus(response, 500)
	}
	lift(func() {
		responseBody(response, areaPointer())
		w.body = handle(areaWord(4))
	})
	outparamSet(w.out, 0, response, 0, 0, nil, nil, 0, 0)
	lift(func() {
		bodyWrite(w.body, areaPointer())
		w.stream = handle(areaWord(4))
	})
}

func (w *Response) sendBuffer() {
	w.start()
	w.send(w.buffer)
	w.buffer = w.buffer[:0]
}

// send waits for room as often as needed.
func (w *Response) send(content []byte) {
	for len(content) > 0 && w.failure == nil {
		room := w.room()
		piece := content[:min(room, len(content))]
		if w.failure == nil && len(piece) > 0 {
			lift(func() {
				streamWrite(w.stream, unsafe.Pointer(unsafe.SliceData(piece)), uint32(len(piece)), areaPointer())
				w.checkStream(0, 4)
			})
		}
		content = content[len(piece):]
	}
}

// room waits until the host takes bytes, and says how many.
func (w *Response) room() int {
	for {
		var room uint64
		lift(func() {
			streamCheckWrite(w.stream, areaPointer())
			if w.checkStream(0, 8) {
				room = *(*uint64)(unsafe.Add(areaPointer(), 8))
			}
		})
		if room > 0 || w.failure != nil {
			return int(min(room, 1<<30))
		}
		pollable := streamSubscribe(w.stream)
		pollableBlock(pollable)
		dropPollable(pollable)
	}
}

// checkStream reads a result<_, stream-error> whose error lies at the given offset.
func (w *Response) checkStream(tag, payload uintptr) bool {
	if areaByte(tag) == 0 {
		return true
	}
	_ = streamFailure(areaByte(payload), handle(areaWord(payload+4)), nil)
	w.failure = errClientGone
	return false
}

// finish ends the body; a short answer that was never flushed goes out here, with its length.
func (w *Response) finish() {
	if !w.started && w.header.Get("content-length") == "" && w.Status >= 200 && w.Status != 204 && w.Status != 304 {
		w.header.Add("content-length", strconv.Itoa(len(w.buffer)))
	}
	w.sendBuffer()
	dropOutputStream(w.stream)
	hasTrailers, trailers := int32(0), handle(0)
	if len(w.trailer.fields) > 0 {
		hasTrailers, trailers = 1, writeHeader(w.trailer)
	}
	lift(func() { bodyFinish(w.body, hasTrailers, trailers, areaPointer()) })
}
