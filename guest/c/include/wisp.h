/* Answers HTTP requests as a WebAssembly component of wasi:http 0.2.
 *
 *     #include <wisp.h>
 *
 *     void wisp_handle(wisp_request *request, wisp_response *response) {
 *         wisp_print(response, "Hello from C\n");
 *     }
 *
 * All text that a request gives lives until wisp_handle returns; it may hold NUL bytes, so it has a length, and it is
 * followed by a NUL byte, so that it can be used as a C string where that does not matter.
 */
#ifndef WISP_H
#define WISP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct wisp_request wisp_request;
typedef struct wisp_response wisp_response;

typedef struct wisp_text {
    const char *data;
    size_t length;
} wisp_text;

/* The service: called once per request. What it wrote is sent when it returns, if it was not sent before. */
void wisp_handle(wisp_request *request, wisp_response *response);

/* The method in capitals. */
wisp_text wisp_method(wisp_request *request);

/* The path without the query, and the query without the question mark, as they were sent: percent-encoded. */
wisp_text wisp_path(wisp_request *request);
wisp_text wisp_query(wisp_request *request);

/* The host that the client named. */
wisp_text wisp_authority(wisp_request *request);

/* How many header fields there are, and the one at an index below that; names are in lower case. */
size_t wisp_header_count(wisp_request *request);
void wisp_header_at(wisp_request *request, size_t index, wisp_text *name, wisp_text *value);

/* The first header field of that name, in any case. False, and empty, when there is none. `value` may be NULL. */
bool wisp_header(wisp_request *request, const char *name, wisp_text *value);

/* A parameter of the route: "id" for a route /users/:id. */
bool wisp_param(wisp_request *request, const char *name, wisp_text *value);

/* Waits for some of the body, and returns how many bytes came: 0 at its end, -1 when the client did not send all. */
long wisp_read(wisp_request *request, void *buffer, size_t size);

/* The whole body. False when the client did not send all of it, or memory ran out. */
bool wisp_read_body(wisp_request *request, wisp_text *body);

/* The status, 200 unless it is set, and header fields: until the first byte is sent. */
void wisp_status(wisp_response *response, int status);
void wisp_set_header(wisp_response *response, const char *name, const char *value);

/* Write to the body; false when the client is gone. Up to 4 KiB are held back, so that a short answer has a length. */
bool wisp_write(wisp_response *response, const void *data, size_t length);
bool wisp_print(wisp_response *response, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Write a JSON string, quoted and escaped; the text must be UTF-8. */
bool wisp_write_json(wisp_response *response, wisp_text text);

/* Send what was held back, now: for events that must not wait. */
bool wisp_flush(wisp_response *response);

/* Answer with problem details (RFC 9457): detail says what is wrong, field (or NULL) with what. */
void wisp_problem(wisp_response *response, int status, const char *detail, const char *field);

#endif
