// The cyber service in Go.
package main

import (
	"fmt"

	wisp "github.com/wisp-wasm/wisp/guest/go"
)

const factor = 0xBEEF

type answer struct {
	ID               string `json:"id"`
	Status           string `json:"status"`
	VerificationHash string `json:"verification_hash"`
}

func init() {
	wisp.Serve(process)
}

func main() {}

func process(w *wisp.Response, r *wisp.Request) {
	body, err := r.ReadBody()
	if err != nil {
		wisp.Problem(w, 400, "the body ended early", wisp.Extra{Name: "field", Value: "body"})
		return
	}
	packet, refusal := parse(body)
	if refusal != nil {
		wisp.Problem(w, 400, refusal.detail, wisp.Extra{Name: "field", Value: refusal.field})
		return
	}
	wisp.JSON(w, 200, answer{packet.id, "SECURE_VERIFIED", fmt.Sprintf("%#x", uint64(packet.encryptionLevel)*factor)})
}
