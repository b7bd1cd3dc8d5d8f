#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Brackets within brackets: far more than a packet needs, and far less than the stack holds. */
enum { DEEPEST = 1000 };

typedef struct reader {
    const char *at, *end;
} reader;

bool json_is_utf8(const char *text, size_t length) {
    const uint8_t *at = (const uint8_t *)text, *end = at + length;
    while (at < end) {
        uint8_t first = *at++;
        if (first < 0x80) continue;
        if (first < 0xC2 || first > 0xF4) return false;
        size_t more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
        if ((size_t)(end - at) < more) return false;
        uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
        uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (*at < low || *at > high) return false;
        for (at++; more > 1; more--, at++) {
            if (*at < 0x80 || *at > 0xBF) return false;
        }
    }
    return true;
}

static void skip_space(reader *in) {
    while (in->at < in->end && memchr(" \t\n\r", *in->at, 4) != NULL) in->at++;
}

static bool skip(reader *in, const char *token) {
    size_t length = strlen(token);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, token, length) != 0) return false;
    in->at += length;
    return true;
}

static bool skip_digits(reader *in) {
    const char *start = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9') in->at++;
    return in->at > start;
}

static bool skip_number(reader *in) {
    skip(in, "-");
    if (!skip(in, "0") && !skip_digits(in)) return false;
    if (skip(in, ".") && !skip_digits(in)) return false;
    if (!skip(in, "e") && !skip(in, "E")) return true;
    if (!skip(in, "+")) skip(in, "-");
    return skip_digits(in);
}

static int hexadecimal(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

static bool skip_escape(reader *in) {
    if (in->at == in->end) return false;
    char kind = *in->at++;
    if (kind != 'u') return memchr("\"\\/bfnrt", kind, 8) != NULL;
    for (int digits = 0; digits < 4; digits++, in->at++) {
        if (in->at == in->end || hexadecimal(*in->at) < 0) return false;
    }
    return true;
}

static bool skip_string(reader *in) {
    if (!skip(in, "\"")) return false;
    while (in->at < in->end) {
        char character = *in->at++;
        if (character == '"') return true;
        if ((unsigned char)character < 0x20) return false;
        if (character == '\\' && !skip_escape(in)) return false;
    }
    return false;
}

static bool skip_value(reader *in, int depth);

/* The elements of an array, or the members of an object, and the bracket that closes them. */
static bool skip_elements(reader *in, bool named, const char *close, int depth) {
    skip_space(in);
    if (skip(in, close)) return true;
    do {
        skip_space(in);
        if (named) {
            if (!skip_string(in)) return false;
            skip_space(in);
            if (!skip(in, ":")) return false;
            skip_space(in);
        }
        if (!skip_value(in, depth + 1)) return false;
        skip_space(in);
    } while (skip(in, ","));
    return skip(in, close);
}

static bool skip_value(reader *in, int depth) {
    if (depth > DEEPEST || in->at == in->end) return false;
    switch (*in->at) {
    case '{': in->at++; return skip_elements(in, true, "}", depth);
    case '[': in->at++; return skip_elements(in, false, "]", depth);
    case '"': return skip_string(in);
    case 't': return skip(in, "true");
    case 'f': return skip(in, "false");
    case 'n': return skip(in, "null");
    default: return skip_number(in);
    }
}

bool json_parse(const char *text, size_t length, json_value *value) {
    reader in = {text, text + length};
    skip_space(&in);
    value->start = in.at;
    if (!skip_value(&in, 0)) return false;
    value->end = in.at;
    skip_space(&in);
    return in.at == in.end;
}

static bool is_named(json_value written, const char *name) {
    size_t length;
    char *text = json_string(written, &length);
    bool same = text != NULL && length == strlen(name) && memcmp(text, name, length) == 0;
    free(text);
    return same;
}

json_value json_member(json_value object, const char *name) {
    json_value found = {NULL, NULL};
    reader in = {object.start + 1, object.end};
    skip_space(&in);
    while (in.at < in.end && *in.at == '"') {
        json_value written = {in.at, NULL}, value;
        skip_string(&in);
        written.end = in.at;
        skip_space(&in);
        skip(&in, ":");
        skip_space(&in);
        value.start = in.at;
        skip_value(&in, 0);
        value.end = in.at;
        if (is_named(written, name)) found = value;
        skip_space(&in);
        skip(&in, ",");
        skip_space(&in);
    }
    return found;
}

static uint32_t code_unit(const char *digits) {
    uint32_t unit = 0;
    for (int index = 0; index < 4; index++) unit = unit << 4 | (uint32_t)hexadecimal(digits[index]);
    return unit;
}

static char *append_utf8(char *out, uint32_t character) {
    if (character < 0x80) {
        *out++ = (char)character;
    } else if (character < 0x800) {
        *out++ = (char)(0xC0 | character >> 6);
        *out++ = (char)(0x80 | (character & 0x3F));
    } else if (character < 0x10000) {
        *out++ = (char)(0xE0 | character >> 12);
        *out++ = (char)(0x80 | (character >> 6 & 0x3F));
        *out++ = (char)(0x80 | (character & 0x3F));
    } else {
        *out++ = (char)(0xF0 | character >> 18);
        *out++ = (char)(0x80 | (character >> 12 & 0x3F));
        *out++ = (char)(0x80 | (character >> 6 & 0x3F));
        *out++ = (char)(0x80 | (character & 0x3F));
    }
    return out;
}

/* Reads what follows a backslash; false for half a pair. */
static bool unescape(const char **at, char **out) {
    static const char kinds[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char kind = *(*at)++;
    if (kind != 'u') {
        *(*out)++ = meanings[strchr(kinds, kind) - kinds];
        return true;
    }
    uint32_t unit = code_unit(*at);
    *at += 4;
    if (unit >= 0xD800 && unit < 0xE000) {
        if (unit >= 0xDC00 || (*at)[0] != '\\' || (*at)[1] != 'u') return false;
        uint32_t second = code_unit(*at + 2);
        if (second < 0xDC00 || second > 0xDFFF) return false;
        *at += 6;
        unit = 0x10000 + ((unit - 0xD800) << 10 | (second - 0xDC00));
    }
    *out = append_utf8(*out, unit);
    return true;
}

char *json_string(json_value value, size_t *length) {
    if (*value.start != '"') return NULL;
    /* No escape is shorter than what it stands for. */
    char *text = malloc((size_t)(value.end - value.start)), *out = text;
    if (text == NULL) abort();
    for (const char *at = value.start + 1; at < value.end - 1;) {
        if (*at != '\\') {
            *out++ = *at++;
        } else if (at++, !unescape(&at, &out)) {
            free(text);
            return NULL;
        }
    }
    *length = (size_t)(out - text);
    return text;
}

bool json_number(json_value value, double *number) {
    if (*value.start != '-' && (*value.start < '0' || *value.start > '9')) return false;
    size_t length = (size_t)(value.end - value.start);
    char *text = malloc(length + 1);
    if (text == NULL) abort();
    memcpy(text, value.start, length);
    text[length] = '\0';
    *number = strtod(text, NULL);
    free(text);
    return true;
}
