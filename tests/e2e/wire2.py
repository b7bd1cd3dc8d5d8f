"""A client of HTTP/2: h2 does the protocol, a socket that waits carries it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import h2.config
import h2.connection
import h2.events

from tests.e2e.host import PATIENCE
from tests.e2e.wire import Address, Answer, Pairs

if TYPE_CHECKING:
    import ssl

READ = 65536
FRAME_HEAD = 9


@dataclass
class Stream:
    """What has arrived of one answer."""

    answer: Answer | None = None
    body: bytearray = field(default_factory=bytearray)
    trailers: Pairs = field(default_factory=list)
    ended: bool = False
    reset: int | None = None


class Connection2:
    """One connection of HTTP/2, with prior knowledge or by ALPN."""

    def __init__(
        self, address: Address, *, tls: ssl.SSLContext | None = None, name: str = "localhost"
    ) -> None:
        connected = socket.create_connection(address, PATIENCE)
        self.socket = tls.wrap_socket(connected, server_hostname=name) if tls else connected
        self._scheme = "https" if tls else "http"
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._streams: dict[int, Stream] = {}
        self._incoming = b""
        self.leaving = False
        """The host has said that it takes no more requests here."""

        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def begin(self, method: str, path: str, *headers: tuple[str, str], end: bool = True) -> int:
        """Send the head of a request, and return its stream."""
        stream = self._h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":path", path), (":scheme", self._scheme), (":authority", "test")]
        self._streams[stream] = Stream()
        self._h2.send_headers(stream, [*pseudo, *headers], end_stream=end)
        self._flush()
        return stream

    def send(self, stream: int, content: bytes, *, end: bool = False) -> None:
        """Send a part of a body, and read meanwhile what comes back."""
        view = memoryview(content)
        while view:
            window = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if window == 0:
                self._receive()
                continue
            self._h2.send_data(stream, view[:window].tobytes())
            view = view[window:]
            self._flush()
        if end:
            self._h2.end_stream(stream)
            self._flush()

    def send_trailers(self, stream: int, *headers: tuple[str, str]) -> None:
        self._h2.send_headers(stream, list(headers), end_stream=True)
        self._flush()

    def cancel(self, stream: int) -> None:
        self._h2.reset_stream(stream, error_code=8)
        self._flush()

    def ask(self, method: str, path: str, *headers: tuple[str, str], body: bytes | None = None) -> Answer:
        stream = self.begin(method, path, *headers, end=body is None)
        if body is not None:
            self.send(stream, body, end=True)
        return self.answer(stream)

    def answer(self, stream: int) -> Answer:
        """Read a whole answer."""
        state = self._streams[stream]
        while not state.ended and state.reset is None:
            self._receive()
        assert state.answer is not None
        state.answer.body, state.answer.trailers = bytes(state.body), state.trailers
        return state.answer

    def body(self, stream: int, count: int) -> bytes:
        """Read until so much of a body has arrived, and return what there is."""
        state = self._streams[stream]
        while len(state.body) < count and not state.ended:
            self._receive()
        return bytes(state.body)

    def reset(self, stream: int) -> int:
        """Read until the host gives up a stream, and return the code."""
        while self._streams[stream].reset is None:
            self._receive()
        return self._streams[stream].reset or 0

    def _flush(self) -> None:
        self.socket.sendall(self._h2.data_to_send())

    def _receive(self) -> None:
        data = self.socket.recv(READ)
        if not data:
            raise EOFError
        self._incoming += data
        # One frame after another: h2 would take what follows a GOAWAY in one go for an error.
        while len(self._incoming) >= (end := FRAME_HEAD + int.from_bytes(self._incoming[:3], "big")):
            frame, self._incoming = self._incoming[:end], self._incoming[end:]
            for event in self._h2.receive_data(frame):
                self._handle(event)
        self._flush()

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=stream, headers=headers):
                pairs = [(str(name), str(value)) for name, value in headers or ()]
                self._streams[stream].answer = Answer(int(dict(pairs)[":status"]), pairs)
            case h2.events.DataReceived(stream_id=stream, data=data, flow_controlled_length=length):
                self._streams[stream].body += data or b""
                if length:
                    self._h2.acknowledge_received_data(length, stream)
            case h2.events.TrailersReceived(stream_id=stream, headers=headers):
                self._streams[stream].trailers = [(str(name), str(value)) for name, value in headers or ()]
            case h2.events.StreamEnded(stream_id=stream):
                self._streams[stream].ended = True
            case h2.events.StreamReset(stream_id=stream, error_code=code):
                self._streams[stream].reset = int(code or 0)
            case h2.events.ConnectionTerminated():
                self.leaving = True
                # h2 takes this for the end, but what was asked before is still answered.
                self._h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
