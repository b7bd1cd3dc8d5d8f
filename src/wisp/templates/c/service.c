#include <wisp.h>

void wisp_handle(wisp_request *request, wisp_response *response) {
    wisp_set_header(response, "content-type", "text/plain; charset=utf-8");
    wisp_print(response, "Hello from C at %s\n", wisp_path(request).data);
}
