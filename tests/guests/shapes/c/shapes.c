/* Echoes values of every kind. What comes in is ours, and what goes out is the caller's: an echo gives on what it got. */

#include "shapes.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT(name) exports_test_shapes_echo_##name

struct exports_test_shapes_echo_counter_t {
    uint32_t value;
};

EXPORT(own_counter_t) EXPORT(constructor_counter)(uint32_t start) {
    EXPORT(counter_t) *counter = malloc(sizeof *counter);
    counter->value = start;
    return EXPORT(counter_new)(counter);
}

uint32_t EXPORT(method_counter_add)(EXPORT(borrow_counter_t) self, uint32_t more) { return self->value += more; }

uint32_t EXPORT(static_counter_largest)(EXPORT(list_borrow_counter_t) *of) {
    uint32_t largest = 0;
    for (size_t index = 0; index < of->len; index++) {
        if (of->ptr[index]->value > largest) largest = of->ptr[index]->value;
    }
    EXPORT(list_borrow_counter_free)(of);
    return largest;
}

void EXPORT(counter_destructor)(EXPORT(counter_t) *rep) { free(rep); }

void EXPORT(text)(shapes_string_t *it, shapes_string_t *ret) { *ret = *it; }
void EXPORT(bytes)(shapes_list_u8_t *it, shapes_list_u8_t *ret) { *ret = *it; }
void EXPORT(texts)(shapes_list_string_t *it, shapes_list_string_t *ret) { *ret = *it; }
void EXPORT(numbers)(shapes_list_u64_t *it, shapes_list_u64_t *ret) { *ret = *it; }
uint32_t EXPORT(letter)(uint32_t it) { return it; }

bool EXPORT(maybe)(shapes_string_t *it, shapes_string_t *ret) {
    if (it == NULL) return false;
    *ret = *it;
    return true;
}

void EXPORT(pair)(shapes_tuple2_u8_string_t *it, shapes_tuple2_u8_string_t *ret) { *ret = *it; }
void EXPORT(shapes)(EXPORT(list_shape_t) *it, EXPORT(list_shape_t) *ret) { *ret = *it; }
EXPORT(access_t) EXPORT(allowed)(EXPORT(access_t) it) { return it; }
EXPORT(color_t) EXPORT(colour)(EXPORT(color_t) it) { return it; }

bool EXPORT(half)(uint32_t it, uint32_t *ret, shapes_string_t *err) {
    *ret = it / 2;
    if (it % 2 == 0) return true;
    shapes_string_dup(err, "odd");
    return false;
}

bool EXPORT(check)(bool it) { return it; }

void EXPORT(again)(shapes_string_t *it, uint32_t times, shapes_string_t *ret) {
    test_shapes_host_repeat(it, times, ret);
    shapes_string_free(it);
}

void EXPORT(split)(shapes_string_t *it, shapes_list_string_t *ret) {
    test_shapes_host_words(it, ret);
    shapes_string_free(it);
}
