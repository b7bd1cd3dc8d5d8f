"""`wasi:http/outgoing-handler`."""

from wit_world.imports.wasi_http_types import FutureIncomingResponse, OutgoingRequest, RequestOptions

def handle(request: OutgoingRequest, options: RequestOptions | None) -> FutureIncomingResponse: ...
