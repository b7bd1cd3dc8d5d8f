/* One C component with the behaviours that the tests of the C guest library need. */
#include <stdlib.h>
#include <string.h>
#include <wisp.h>

/* Streams the body back while it arrives. */
static void echo(wisp_request *request, wisp_response *response) {
    static char buffer[20000];
    for (long count; (count = wisp_read(request, buffer, sizeof buffer)) > 0;) {
        if (!wisp_write(response, buffer, (size_t)count)) return;
    }
}

static void headers(wisp_request *request, wisp_response *response) {
    for (size_t index = 0; index < wisp_header_count(request); index++) {
        wisp_text name, value;
        wisp_header_at(request, index, &name, &value);
        wisp_print(response, "%s: %s\n", name.data, value.data);
    }
}

static void describe(wisp_request *request, wisp_response *response) {
    wisp_text kind, absent;
    bool has_kind = wisp_header(request, "Content-Type", &kind), has_absent = wisp_header(request, "absent", &absent);
    wisp_print(response, "%s|%s|%s|%s|", wisp_method(request).data, wisp_path(request).data, wisp_query(request).data, kind.data);
    wisp_print(response, "%d%d%zu", has_kind, has_absent, absent.length);
}

/* More than is held back, in one print. */
static void large(wisp_response *response) {
    char *text = malloc(10001);
    memset(text, 'x', 10000);
    text[10000] = '\0';
    wisp_print(response, "%s!", text);
    free(text);
}

static void whole(wisp_request *request, wisp_response *response) {
    wisp_text body;
    if (wisp_read_body(request, &body)) wisp_write_json(response, body);
}

static bool ends_with(wisp_text text, const char *end) {
    size_t length = strlen(end);
    return text.length >= length && memcmp(text.data + text.length - length, end, length) == 0;
}

void wisp_handle(wisp_request *request, wisp_response *response) {
    wisp_text path = wisp_path(request);
    if (ends_with(path, "/echo")) echo(request, response);
    else if (ends_with(path, "/headers")) headers(request, response);
    else if (ends_with(path, "/describe")) describe(request, response);
    else if (ends_with(path, "/large")) large(response);
    else if (ends_with(path, "/whole")) whole(request, response);
    else if (ends_with(path, "/empty")) wisp_status(response, 204);
    else if (ends_with(path, "/problem")) wisp_problem(response, 422, "a \"quoted\" word", "word");
    else if (ends_with(path, "/events")) {
        wisp_set_header(response, "content-type", "text/event-stream");
        for (int number = 0; number < 3; number++) {
            wisp_print(response, "data: %d\n\n", number);
            wisp_flush(response);
        }
    } else wisp_print(response, "Hello, world!");
}
