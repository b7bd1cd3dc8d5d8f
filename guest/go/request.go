package wisp

import (
	"errors"
	"io"
	"strings"
)

// Request is what a client asks.
type Request struct {
	// Method in capitals.
	Method string
	// Path without the query, as it was sent: percent-encoded.
	Path string
	// Query without the question mark, as it was sent.
	Query string
	// Host is the authority that the client named.
	Host string
	// Body streams; it is read at most once. It is never nil.
	Body io.Reader

	handle handle
	header *Header
	body   *incomingBody
}

// Header returns the request's header fields.
func (r *Request) Header() *Header {
	if r.header == nil {
		header := readHeader(requestHeaders(r.handle))
		r.header = &header
	}
	return r.header
}

// Param returns the value of a parameter of the route: "id" for a route /users/:id.
func (r *Request) Param(name string) string {
	return r.Header().Get("wisp-param-" + name)
}

// ReadBody reads the whole body; the host has limited its size.
func (r *Request) ReadBody() ([]byte, error) {
	return io.ReadAll(r.Body)
}

var methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

func newRequest(request handle) *Request {
	r := &Request{handle: request}
	var target string
	lift(func() {
		requestMethod(request, areaPointer())
		if tag := int(areaByte(0)); tag < len(methods) {
			r.Method = methods[tag]
		} else {
			r.Method = text(areaWord(4), areaWord(8))
		}
		requestPath(request, areaPointer())
		target = optionalText()
		requestAuthority(request, areaPointer())
		r.Host = optionalText()
	})
	r.Path, r.Query, _ = strings.Cut(target, "?")
	r.body = &incomingBody{request: request}
	r.Body = r.body
	return r
}

func optionalText() string {
	if areaByte(0) == 0 {
		return ""
	}
	return text(areaWord(4), areaWord(8))
}

// close drops what the host holds for this request, children first.
func (r *Request) close() {
	r.body.close()
	dropRequest(r.handle)
}

// errBodyLost is what a read gives when the client did not send its body to the end.
var errBodyLost = errors.New("wisp: the request body ended early")

type incomingBody struct {
	request      handle
	body, stream handle
	opened       bool
	rest         []byte // Read from the host and not yet by the guest.
	failure      error
}

// Read implements io.Reader.
func (b *incomingBody) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	if len(b.rest) == 0 {
		if b.failure == nil {
			b.fill()
		}
		if len(b.rest) == 0 {
			return 0, b.failure
		}
	}
	count := copy(into, b.rest)
	b.rest = b.rest[count:]
	return count, nil
}

// fill waits for bytes, the end or a failure.
func (b *incomingBody) fill() {
	b.open()
	for len(b.rest) == 0 && b.failure == nil {
		lift(func() {
			streamRead(b.stream, readSize, areaPointer())
			if areaByte(0) == 0 {
				b.rest = append(b.rest[:0:0], arenaBytes(areaWord(4), areaWord(8))...)
			} else {
				b.failure = streamFailure(areaByte(4), handle(areaWord(8)), io.EOF)
			}
		})
	}
}

func (b *incomingBody) open() {
	if b.opened {
		return
	}
	b.opened = true
	lift(func() {
		requestConsume(b.request, areaPointer())
		b.body = handle(areaWord(4))
		bodyStream(b.body, areaPointer())
		b.stream = handle(areaWord(4))
	})
}

func (b *incomingBody) close() {
	if b.opened {
		dropInputStream(b.stream)
		dropIncomingBody(b.body)
	}
	b.opened, b.failure, b.rest = true, io.EOF, nil
}

// streamFailure makes an error of a stream-error: its tag and, for a failed operation, the error's handle.
func streamFailure(tag byte, failure handle, closed error) error {
	if tag != 0 {
		return closed
	}
	dropError(failure)
	return errBodyLost
}
