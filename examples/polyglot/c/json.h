/* A strict reader of JSON (RFC 8259) that checks a text and finds the members of an object, without copying. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of the text: one value, as it was written. Absent when `start` is NULL. */
typedef struct json_value {
    const char *start, *end;
} json_value;

/* Whether the bytes are UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF. */
bool json_is_utf8(const char *text, size_t length);

/* Whether the text is one JSON value; `value` is it, without the space around it. */
bool json_parse(const char *text, size_t length, json_value *value);

/* The last member of an object that has this name. */
json_value json_member(json_value object, const char *name);

/* The characters of a string, in memory to be freed; NULL when the value is no string, or holds half a UTF-16 pair. */
char *json_string(json_value value, size_t *length);

/* A number, rounded to a binary64 as JavaScript does. */
bool json_number(json_value value, double *number);

#endif
