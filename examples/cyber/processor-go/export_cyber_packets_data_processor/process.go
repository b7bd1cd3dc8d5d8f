// Package export_cyber_packets_data_processor implements cyber:packets/data-processor.
package export_cyber_packets_data_processor

import (
	"fmt"

	"github.com/wisp-wasm/wisp/guest/go/wit/types"

	packets "processor/bindings/cyber_packets_data_processor"
	texts "processor/bindings/cyber_text_format"
)

const (
	factor  = 0xBEEF
	highest = 1_000_000
)

// Process verifies a packet.
func Process(input packets.Packet) types.Result[packets.ProcessedPacket, packets.ProcessError] {
	if input.Payload == "" {
		return refusal(packets.MakeProcessErrorEmptyPayload())
	}
	if input.EncryptionLevel > highest {
		return refusal(packets.MakeProcessErrorLevelTooHigh(highest))
	}
	size := uint32(len(input.Payload))
	return types.Ok[packets.ProcessedPacket, packets.ProcessError](packets.ProcessedPacket{
		Id:               input.Id,
		Status:           texts.Status(texts.Subject{Id: input.Id, Size: size, Level: input.EncryptionLevel}),
		VerificationHash: fmt.Sprintf("%#x", uint64(input.EncryptionLevel)*factor),
	})
}

func refusal(reason packets.ProcessError) types.Result[packets.ProcessedPacket, packets.ProcessError] {
	return types.Err[packets.ProcessedPacket](reason)
}
