/* The cyber service in C: the checks and their order are the same in all five languages. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <wisp.h>

#include "json.h"

enum { FACTOR = 0xBEEF };

static void refuse(wisp_response *response, const char *field, const char *detail) {
    wisp_problem(response, 400, detail, field);
}

/* Answers for a body that is no JSON object; true when it is one. */
static bool read_object(wisp_request *request, wisp_response *response, json_value *object) {
    wisp_text body;
    if (!wisp_read_body(request, &body)) return refuse(response, "body", "the body ended early"), false;
    if (!json_is_utf8(body.data, body.length)) return refuse(response, "body", "the body is not UTF-8"), false;
    if (!json_parse(body.data, body.length, object)) return refuse(response, "body", "the body is not JSON"), false;
    if (*object->start != '{') return refuse(response, "body", "the body must be a JSON object"), false;
    return true;
}

/* The caller frees the text. */
static bool read_string(json_value object, const char *name, wisp_response *response, const char *details[2], wisp_text *text) {
    json_value value = json_member(object, name);
    if (value.start == NULL) return refuse(response, name, details[0]), false;
    text->data = json_string(value, &text->length);
    if (text->data == NULL) return refuse(response, name, details[1]), false;
    return true;
}

static bool read_level(json_value object, wisp_response *response, uint32_t *level) {
    static const char name[] = "encryption_level";
    json_value value = json_member(object, name);
    double number;
    if (value.start == NULL) return refuse(response, name, "encryption_level is missing"), false;
    if (!json_number(value, &number) || !(number >= 0 && number <= UINT32_MAX) || number != trunc(number)) {
        return refuse(response, name, "encryption_level must be an integer from 0 to 4294967295"), false;
    }
    *level = (uint32_t)number;
    return true;
}

void wisp_handle(wisp_request *request, wisp_response *response) {
    static const char *id_details[] = {"id is missing", "id must be a string"};
    static const char *payload_details[] = {"payload is missing", "payload must be a string"};
    json_value object;
    wisp_text id = {NULL, 0}, payload = {NULL, 0};
    uint32_t level;
    if (read_object(request, response, &object) && read_string(object, "id", response, id_details, &id) &&
        read_string(object, "payload", response, payload_details, &payload) && read_level(object, response, &level)) {
        wisp_set_header(response, "content-type", "application/json");
        wisp_print(response, "{\"id\":");
        wisp_write_json(response, id);
        wisp_print(response, ",\"status\":\"SECURE_VERIFIED\",\"verification_hash\":\"0x%llx\"}", (unsigned long long)level * FACTOR);
    }
    free((void *)id.data);
    free((void *)payload.data);
}
