/* A request and its response: what the two halves of the library share. */
#ifndef WISP_EXCHANGE_H
#define WISP_EXCHANGE_H

#include <stdbool.h>
#include <wisp.h>

#include "imports.h"

enum { WISP_BUFFER = 4096 };

typedef struct header_entry {
    wisp_text name, value;
} header_entry;

struct wisp_request {
    handle handle, body, stream;
    bool opened, ended, failed;
    wisp_text method, path, query, authority;
    bool has_headers;
    header_entry *headers;
    size_t header_count;
    char *rest, *rest_start; /* Bytes that the host gave and the service has not read yet. */
    size_t rest_length;
    void **owned; /* What is freed with the request. */
    size_t owned_count, owned_room;
};

struct wisp_response {
    handle out, fields, body, stream;
    int status;
    bool started, failed, has_length;
    size_t held;
    char buffer[WISP_BUFFER];
};

/* Keeps memory until the request is closed. Ends the instance when there is none left. */
void *wisp_own(wisp_request *request, void *memory);

void wisp_open_request(wisp_request *request, handle incoming);
void wisp_close_request(wisp_request *request);
void wisp_finish_response(wisp_response *response);

#endif
