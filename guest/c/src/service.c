#include <stdlib.h>

#include "exchange.h"

__attribute__((export_name("wasi:http/incoming-handler@0.2.12#handle"))) void handle_request(handle incoming, handle out) {
    wisp_request request;
    wisp_open_request(&request, incoming);
    wisp_response *response = wisp_own(&request, malloc(sizeof(wisp_response)));
    *response = (wisp_response){.out = out, .fields = new_fields(), .status = 200};
    wisp_handle(&request, response);
    wisp_finish_response(response);
    wisp_close_request(&request);
}
