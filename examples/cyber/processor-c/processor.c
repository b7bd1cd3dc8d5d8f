/* The processor of the cyber system, in C. `wisp build` makes processor.h of the folder wit. */

#include "processor.h"

#include <inttypes.h>
#include <stdio.h>

#define FACTOR UINT64_C(0xBEEF)
#define HIGHEST 1000000

bool exports_cyber_packets_data_processor_process(exports_cyber_packets_data_processor_packet_t *input,
                                                  exports_cyber_packets_data_processor_processed_packet_t *done,
                                                  exports_cyber_packets_data_processor_process_error_t *error) {
    if (input->payload.len == 0) {
        error->tag = EXPORTS_CYBER_PACKETS_DATA_PROCESSOR_PROCESS_ERROR_EMPTY_PAYLOAD;
        exports_cyber_packets_data_processor_packet_free(input);
        return false;
    }
    if (input->encryption_level > HIGHEST) {
        error->tag = EXPORTS_CYBER_PACKETS_DATA_PROCESSOR_PROCESS_ERROR_LEVEL_TOO_HIGH;
        error->val.level_too_high = HIGHEST;
        exports_cyber_packets_data_processor_packet_free(input);
        return false;
    }
    cyber_text_format_subject_t subject = {input->id, (uint32_t)input->payload.len, input->encryption_level};
    char hash[2 + 16 + 1];
    snprintf(hash, sizeof hash, "0x%" PRIx64, input->encryption_level * FACTOR);
    cyber_text_format_status(&subject, &done->status);
    processor_string_dup(&done->verification_hash, hash);
    /* The id goes on to the caller, who frees it; the payload ends here. */
    done->id = input->id;
    processor_string_free(&input->payload);
    return true;
}
