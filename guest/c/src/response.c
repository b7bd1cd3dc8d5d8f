#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exchange.h"

/* A result<_, stream-error> whose error lies at a word; a failure's details are of no use to the service. */
static bool stream_ok(wisp_response *response, const area *result, size_t word) {
    if (result->bytes[0] == 0) return true;
    if (result->bytes[word * 4] == 0) drop_error((handle)result->words[word + 1]);
    response->failed = true;
    return false;
}

static void add_header(wisp_response *response, const char *name, const char *value) {
    area result;
    fields_append(response->fields, name, strlen(name), value, strlen(value), &result);
}

/* Sends the head. */
static void start(wisp_response *response) {
    if (response->started) return;
    response->started = true;
    handle outgoing = new_response(response->fields);
    if (response_set_status(outgoing, response->status) != 0) response_set_status(outgoing, 500);
    area result;
    response_body(outgoing, &result);
    response->body = (handle)result.words[1];
    outparam_set(response->out, 0, outgoing, 0, 0, NULL, NULL, 0, 0);
    body_write(response->body, &result);
    response->stream = (handle)result.words[1];
}

/* Waits until the host takes bytes, and says how many. */
static size_t room(wisp_response *response) {
    for (;;) {
        area result;
        stream_check_write(response->stream, &result);
        if (!stream_ok(response, &result, 2)) return 0;
        if (result.wide[1] > 0) return result.wide[1] > SIZE_MAX ? SIZE_MAX : (size_t)result.wide[1];
        handle pollable = stream_subscribe(response->stream);
        pollable_block(pollable);
        drop_pollable(pollable);
    }
}

static void send(wisp_response *response, const char *data, size_t length) {
    while (length > 0 && !response->failed) {
        size_t piece = room(response);
        if (piece > length) piece = length;
        if (piece == 0) return;
        area result;
        stream_write(response->stream, data, piece, &result);
        if (!stream_ok(response, &result, 1)) return;
        data += piece;
        length -= piece;
    }
}

static void send_held(wisp_response *response) {
    start(response);
    send(response, response->buffer, response->held);
    response->held = 0;
}

void wisp_status(wisp_response *response, int status) {
    response->status = status;
}

void wisp_set_header(wisp_response *response, const char *name, const char *value) {
    if (response->started) return;
    if (strcasecmp(name, "content-length") == 0) response->has_length = true;
    add_header(response, name, value);
}

bool wisp_write(wisp_response *response, const void *data, size_t length) {
    if (length <= WISP_BUFFER - response->held) {
        memcpy(response->buffer + response->held, data, length);
        response->held += length;
    } else {
        send_held(response);
        send(response, data, length);
    }
    return !response->failed;
}

bool wisp_print(wisp_response *response, const char *format, ...) {
    char small[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (length < 0) return false;
    if ((size_t)length < sizeof small) return wisp_write(response, small, (size_t)length);
    char *large = malloc((size_t)length + 1);
    if (large == NULL) return false;
    va_start(arguments, format);
    vsnprintf(large, (size_t)length + 1, format, arguments);
    va_end(arguments);
    bool written = wisp_write(response, large, (size_t)length);
    free(large);
    return written;
}

bool wisp_write_json(wisp_response *response, wisp_text text) {
    wisp_write(response, "\"", 1);
    size_t plain = 0; /* Where the run of characters that need no escape began. */
    for (size_t index = 0; index < text.length; index++) {
        unsigned char character = (unsigned char)text.data[index];
        if (character >= 0x20 && character != '"' && character != '\\') continue;
        wisp_write(response, text.data + plain, index - plain);
        plain = index + 1;
        if (character < 0x20) wisp_print(response, "\\u%04x", character);
        else wisp_print(response, "\\%c", character);
    }
    wisp_write(response, text.data + plain, text.length - plain);
    return wisp_write(response, "\"", 1);
}

bool wisp_flush(wisp_response *response) {
    send_held(response);
    if (!response->failed) {
        area result;
        stream_flush(response->stream, &result);
        stream_ok(response, &result, 1);
    }
    return !response->failed;
}

static const char *title(int status) {
    switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "";
    }
}

void wisp_problem(wisp_response *response, int status, const char *detail, const char *field) {
    wisp_status(response, status);
    wisp_set_header(response, "content-type", "application/problem+json");
    wisp_print(response, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":", title(status), status);
    wisp_write_json(response, (wisp_text){detail, strlen(detail)});
    if (field != NULL) {
        wisp_print(response, ",\"field\":");
        wisp_write_json(response, (wisp_text){field, strlen(field)});
    }
    wisp_write(response, "}", 1);
}

/* Ends the body; a short answer that was never flushed goes out here, with its length. */
void wisp_finish_response(wisp_response *response) {
    bool may_have_body = response->status >= 200 && response->status != 204 && response->status != 304;
    if (!response->started && !response->has_length && may_have_body) {
        char length[16];
        snprintf(length, sizeof length, "%zu", response->held);
        add_header(response, "content-length", length);
    }
    send_held(response);
    drop_output_stream(response->stream);
    area result;
    body_finish(response->body, 0, 0, &result);
}
