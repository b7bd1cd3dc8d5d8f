/* The processor as a core module, without WIT: functions take and give numbers, and whoever calls them writes into its memory.
 *
 * A packet is its id, a line break and its payload. An answer is its length, four bytes with the lowest first, then its text.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))

static const char VERDICT[] = "SECURE_VERIFIED ";

/* Room for so many bytes; 0 if there is none. Who asked for it must release it. */
EXPORT("allocate") uint8_t *allocate(uint32_t length) { return malloc(length); }

EXPORT("release") void release(uint8_t *address) { free(address); }

/* The answer to the packet that is there and that long. Who calls must release it, and the packet. */
EXPORT("process_data") uint8_t *process_data(const uint8_t *packet, uint32_t length) {
    const uint8_t *line_break = memchr(packet, '\n', length);
    uint32_t id = line_break ? (uint32_t)(line_break - packet) : length;
    uint32_t payload = line_break ? length - id - 1 : 0;

    uint32_t size = sizeof VERDICT - 1 + id + 2 + payload;
    uint8_t *answer = malloc(4 + size);
    memcpy(answer, &size, 4);
    uint8_t *end = mempcpy(answer + 4, VERDICT, sizeof VERDICT - 1);
    end = mempcpy(end, packet, id);
    end = mempcpy(end, ": ", 2);
    memcpy(end, packet + id + 1, payload);
    return answer;
}
