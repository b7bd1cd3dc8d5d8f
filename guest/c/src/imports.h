/* The imports of wasi:http 0.2 that this library uses, in the canonical ABI's shape: resources are int32_t handles, a
 * string is an address and a length, and a result that does not fit one value is written to an area of the caller's. */
#ifndef WISP_IMPORTS_H
#define WISP_IMPORTS_H

#include <stdint.h>

#define IMPORT(interface, name) __attribute__((import_module(interface), import_name(name)))
#define HTTP "wasi:http/types@0.2.12"
#define STREAMS "wasi:io/streams@0.2.12"
#define POLL "wasi:io/poll@0.2.12"

typedef int32_t handle;

/* Large enough for the largest result, a result<_, error-code>. */
typedef union area {
    uint8_t bytes[40];
    uint32_t words[10];
    uint64_t wide[5];
} area;

IMPORT(HTTP, "[method]incoming-request.method") void request_method(handle request, area *result);
IMPORT(HTTP, "[method]incoming-request.path-with-query") void request_path(handle request, area *result);
IMPORT(HTTP, "[method]incoming-request.authority") void request_authority(handle request, area *result);
IMPORT(HTTP, "[method]incoming-request.headers") handle request_headers(handle request);
IMPORT(HTTP, "[method]incoming-request.consume") void request_consume(handle request, area *result);
IMPORT(HTTP, "[resource-drop]incoming-request") void drop_request(handle request);
IMPORT(HTTP, "[method]incoming-body.stream") void body_stream(handle body, area *result);
IMPORT(HTTP, "[resource-drop]incoming-body") void drop_incoming_body(handle body);
IMPORT(HTTP, "[constructor]fields") handle new_fields(void);
IMPORT(HTTP, "[method]fields.append")
void fields_append(handle fields, const char *name, size_t name_length, const char *value, size_t value_length, area *result);
IMPORT(HTTP, "[method]fields.entries") void fields_entries(handle fields, area *result);
IMPORT(HTTP, "[resource-drop]fields") void drop_fields(handle fields);
IMPORT(HTTP, "[constructor]outgoing-response") handle new_response(handle fields);
IMPORT(HTTP, "[method]outgoing-response.set-status-code") int32_t response_set_status(handle response, int32_t status);
IMPORT(HTTP, "[method]outgoing-response.body") void response_body(handle response, area *result);
IMPORT(HTTP, "[static]response-outparam.set")
void outparam_set(handle out, int32_t is_error, handle response, int32_t failure, int64_t a, const char *b, const char *c, size_t d, int32_t e);
IMPORT(HTTP, "[method]outgoing-body.write") void body_write(handle body, area *result);
IMPORT(HTTP, "[static]outgoing-body.finish") void body_finish(handle body, int32_t has_trailers, handle trailers, area *result);
IMPORT(STREAMS, "[method]input-stream.blocking-read") void stream_read(handle stream, int64_t length, area *result);
IMPORT(STREAMS, "[resource-drop]input-stream") void drop_input_stream(handle stream);
IMPORT(STREAMS, "[method]output-stream.check-write") void stream_check_write(handle stream, area *result);
IMPORT(STREAMS, "[method]output-stream.write") void stream_write(handle stream, const void *content, size_t length, area *result);
IMPORT(STREAMS, "[method]output-stream.blocking-flush") void stream_flush(handle stream, area *result);
IMPORT(STREAMS, "[method]output-stream.subscribe") handle stream_subscribe(handle stream);
IMPORT(STREAMS, "[resource-drop]output-stream") void drop_output_stream(handle stream);
IMPORT("wasi:io/error@0.2.12", "[resource-drop]error") void drop_error(handle failure);
IMPORT(POLL, "[method]pollable.block") void pollable_block(handle pollable);
IMPORT(POLL, "[resource-drop]pollable") void drop_pollable(handle pollable);

#endif
