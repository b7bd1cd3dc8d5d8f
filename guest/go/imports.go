package wisp

import "unsafe"

// The imports of wasi:http 0.2 that this library uses, in the canonical ABI's shape: resources are int32 handles, a string
// is an address and a length, and a result that does not fit one value is written to an area of the caller's.

type handle = int32

// area is where an import writes its result; a global does not move and needs no pinning. lift guards it.
var area [40]byte

func areaPointer() unsafe.Pointer { return unsafe.Pointer(&area) }

func areaByte(offset uintptr) byte { return area[offset] }

func areaWord(offset uintptr) uint32 { return *(*uint32)(unsafe.Add(areaPointer(), offset)) }

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-request.method
func requestMethod(request handle, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-request.path-with-query
func requestPath(request handle, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-request.authority
func requestAuthority(request handle, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-request.headers
func requestHeaders(request handle) handle

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-request.consume
func requestConsume(request handle, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]incoming-request
func dropRequest(request handle)

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-body.stream
func bodyStream(body handle, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]incoming-body
func dropIncomingBody(body handle)

//go:wasmimport wasi:io/streams@0.2.12 [method]input-stream.blocking-read
func streamRead(stream handle, length int64, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [resource-drop]input-stream
func dropInputStream(stream handle)

//go:wasmimport wasi:io/error@0.2.12 [resource-drop]error
func dropError(failure handle)

//go:wasmimport wasi:http/types@0.2.12 [constructor]fields
func newFields() handle

//go:wasmimport wasi:http/types@0.2.12 [method]fields.append
func fieldsAppend(fields handle, name unsafe.Pointer, nameLength uint32, value unsafe.Pointer, valueLength uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]fields.entries
func fieldsEntries(fields handle, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]fields
func dropFields(fields handle)

//go:wasmimport wasi:http/types@0.2.12 [constructor]outgoing-response
func newResponse(fields handle) handle

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-response.set-status-code
func responseSetStatus(response handle, status int32) int32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-response.body
func responseBody(response handle, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [static]response-outparam.set
func outparamSet(out handle, isError, response, failure int32, a int64, b, c unsafe.Pointer, d uint32, e int32)

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-body.write
func bodyWrite(body handle, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [static]outgoing-body.finish
func bodyFinish(body handle, hasTrailers, trailers int32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.check-write
func streamCheckWrite(stream handle, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.write
func streamWrite(stream handle, content unsafe.Pointer, length uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.blocking-flush
func streamFlush(stream handle, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.subscribe
func streamSubscribe(stream handle) handle

//go:wasmimport wasi:io/streams@0.2.12 [resource-drop]output-stream
func dropOutputStream(stream handle)

//go:wasmimport wasi:io/poll@0.2.12 [method]pollable.block
func pollableBlock(pollable handle)

//go:wasmimport wasi:io/poll@0.2.12 [resource-drop]pollable
func dropPollable(pollable handle)
