#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exchange.h"

enum { READ_SIZE = 65536 };

/* The host allocates here what it hands over; strings get room for the NUL byte that ends them. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    (void)old_size;
    if (size == 0) return (void *)align; /* malloc's own alignment is otherwise enough for every type of WIT. */
    void *memory = realloc(old, size + 1);
    if (memory == NULL) abort();
    return memory;
}

void *wisp_own(wisp_request *request, void *memory) {
    if (memory == NULL) abort();
    if (request->owned_count == request->owned_room) {
        request->owned_room = request->owned_room == 0 ? 16 : request->owned_room * 2;
        request->owned = realloc(request->owned, request->owned_room * sizeof(void *));
        if (request->owned == NULL) abort();
    }
    request->owned[request->owned_count++] = memory;
    return memory;
}

/* Takes a string that the host wrote: its address and length are two words. */
static wisp_text take(wisp_request *request, const uint32_t *words) {
    if (words[1] == 0) return (wisp_text){"", 0};
    char *data = wisp_own(request, (char *)(uintptr_t)words[0]);
    data[words[1]] = '\0';
    return (wisp_text){data, words[1]};
}

static wisp_text take_optional(wisp_request *request, const area *result) {
    return result->bytes[0] == 0 ? (wisp_text){"", 0} : take(request, &result->words[1]);
}

static wisp_text literal(const char *text) {
    return (wisp_text){text, strlen(text)};
}

static wisp_text read_method(wisp_request *request) {
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    area result;
    request_method(request->handle, &result);
    size_t tag = result.bytes[0];
    return tag < sizeof names / sizeof *names ? literal(names[tag]) : take(request, &result.words[1]);
}

/* Splits the target in place at its first question mark. */
static void read_target(wisp_request *request) {
    area result;
    request_path(request->handle, &result);
    request->path = take_optional(request, &result);
    request->query = (wisp_text){"", 0};
    char *mark = memchr(request->path.data, '?', request->path.length);
    if (mark == NULL) return;
    size_t length = (size_t)(mark - request->path.data);
    request->query = (wisp_text){mark + 1, request->path.length - length - 1};
    request->path.length = length;
    *mark = '\0';
}

void wisp_open_request(wisp_request *request, handle incoming) {
    *request = (wisp_request){.handle = incoming};
    request->method = read_method(request);
    read_target(request);
}

void wisp_close_request(wisp_request *request) {
    /* Children before parents: the host insists. */
    if (request->opened) {
        drop_input_stream(request->stream);
        drop_incoming_body(request->body);
    }
    drop_request(request->handle);
    for (size_t index = 0; index < request->owned_count; index++) free(request->owned[index]);
    free(request->owned);
    free(request->rest);
}

wisp_text wisp_method(wisp_request *request) {
    return request->method;
}

wisp_text wisp_path(wisp_request *request) {
    return request->path;
}

wisp_text wisp_query(wisp_request *request) {
    return request->query;
}

wisp_text wisp_authority(wisp_request *request) {
    if (request->authority.data == NULL) {
        area result;
        request_authority(request->handle, &result);
        request->authority = take_optional(request, &result);
    }
    return request->authority;
}

static void read_headers(wisp_request *request) {
    if (request->has_headers) return;
    request->has_headers = true;
    handle fields = request_headers(request->handle);
    area result;
    fields_entries(fields, &result);
    drop_fields(fields);
    request->header_count = result.words[1];
    if (request->header_count == 0) return;
    uint32_t *entries = wisp_own(request, (void *)(uintptr_t)result.words[0]);
    request->headers = wisp_own(request, calloc(request->header_count, sizeof(header_entry)));
    for (size_t index = 0; index < request->header_count; index++) {
        request->headers[index].name = take(request, &entries[index * 4]);
        request->headers[index].value = take(request, &entries[index * 4 + 2]);
    }
}

size_t wisp_header_count(wisp_request *request) {
    read_headers(request);
    return request->header_count;
}

void wisp_header_at(wisp_request *request, size_t index, wisp_text *name, wisp_text *value) {
    read_headers(request);
    *name = request->headers[index].name;
    *value = request->headers[index].value;
}

bool wisp_header(wisp_request *request, const char *name, wisp_text *value) {
    wisp_text ignored;
    if (value == NULL) value = &ignored;
    *value = (wisp_text){"", 0};
    for (size_t index = 0; index < wisp_header_count(request); index++) {
        if (strcasecmp(request->headers[index].name.data, name) != 0) continue;
        *value = request->headers[index].value;
        return true;
    }
    return false;
}

bool wisp_param(wisp_request *request, const char *name, wisp_text *value) {
    static const char prefix[] = "wisp-param-";
    size_t length = strlen(name);
    char *full = malloc(sizeof prefix + length);
    if (full == NULL) abort();
    memcpy(full, prefix, sizeof prefix - 1);
    memcpy(full + sizeof prefix - 1, name, length + 1);
    bool found = wisp_header(request, full, value);
    free(full);
    return found;
}

static void open_body(wisp_request *request) {
    if (request->opened) return;
    request->opened = true;
    area result;
    request_consume(request->handle, &result);
    request->body = (handle)result.words[1];
    body_stream(request->body, &result);
    request->stream = (handle)result.words[1];
}

/* Waits for bytes, the end or a failure. */
static void fill(wisp_request *request) {
    open_body(request);
    while (request->rest_length == 0 && !request->ended) {
        area result;
        stream_read(request->stream, READ_SIZE, &result);
        if (result.bytes[0] != 0) {
            request->ended = true;
            request->failed = result.bytes[4] == 0;
            if (request->failed) drop_error((handle)result.words[2]);
            return;
        }
        request->rest_length = result.words[2];
        if (request->rest_length == 0) continue;
        free(request->rest);
        request->rest = request->rest_start = (char *)(uintptr_t)result.words[1];
    }
}

long wisp_read(wisp_request *request, void *buffer, size_t size) {
    if (size == 0) return 0;
    fill(request);
    if (request->rest_length == 0) return request->failed ? -1 : 0;
    size_t length = size < request->rest_length ? size : request->rest_length;
    memcpy(buffer, request->rest_start, length);
    request->rest_start += length;
    request->rest_length -= length;
    return (long)length;
}

bool wisp_read_body(wisp_request *request, wisp_text *body) {
    size_t length = 0, room = READ_SIZE;
    char *data = malloc(room + 1);
    *body = (wisp_text){"", 0};
    for (;;) {
        if (data == NULL) return false;
        long count = wisp_read(request, data + length, room - length);
        if (count < 0) {
            free(data);
            return false;
        }
        if (count == 0) break;
        length += (size_t)count;
        if (length < room) continue;
        room *= 2;
        char *larger = realloc(data, room + 1);
        if (larger == NULL) free(data);
        data = larger;
    }
    data[length] = '\0';
    *body = (wisp_text){wisp_own(request, data), length};
    return true;
}
