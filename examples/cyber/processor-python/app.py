"""The processor of the cyber system, in Python."""

from wit_world.exports.data_processor import (
    Packet,
    ProcessedPacket,
    ProcessError_EmptyPayload,
    ProcessError_LevelTooHigh,
)

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import format as texts

FACTOR = 0xBEEF
HIGHEST = 1_000_000


class DataProcessor(exports.DataProcessor):
    def process(self, packet: Packet) -> ProcessedPacket:
        if not packet.payload:
            raise Err(ProcessError_EmptyPayload())
        if packet.encryption_level > HIGHEST:
            raise Err(ProcessError_LevelTooHigh(HIGHEST))
        size = len(packet.payload.encode())
        status = texts.status(texts.Subject(packet.id, size, packet.encryption_level))
        return ProcessedPacket(packet.id, status, hex(packet.encryption_level * FACTOR))
