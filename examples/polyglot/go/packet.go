package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

type packet struct {
	id, payload     string
	encryptionLevel uint32
}

// refusal says which field is wrong, and how.
type refusal struct {
	field, detail string
}

// parse reads a data packet; the checks and their order are the same in all five languages.
func parse(body []byte) (packet, *refusal) {
	if !utf8.Valid(body) {
		return packet{}, &refusal{"body", "the body is not UTF-8"}
	}
	if !json.Valid(body) {
		return packet{}, &refusal{"body", "the body is not JSON"}
	}
	if bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return packet{}, &refusal{"body", "the body must be a JSON object"}
	}
	// A map, because fields of a struct would match without regard to case.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return packet{}, &refusal{"body", "the body is not JSON"}
	}
	id, wrong := stringField(fields, "id")
	if wrong != nil {
		return packet{}, wrong
	}
	payload, wrong := stringField(fields, "payload")
	if wrong != nil {
		return packet{}, wrong
	}
	level, wrong := levelField(fields, "encryption_level")
	return packet{id, payload, level}, wrong
}

func stringField(fields map[string]json.RawMessage, name string) (string, *refusal) {
	raw, present := fields[name]
	if !present {
		return "", &refusal{name, name + " is missing"}
	}
	var value *string
	if json.Unmarshal(raw, &value) != nil || value == nil || hasLoneSurrogate(raw) {
		return "", &refusal{name, name + " must be a string"}
	}
	return *value, nil
}

// hasLoneSurrogate tells of half a UTF-16 pair in a JSON string, which encoding/json would replace without a word.
func hasLoneSurrogate(raw []byte) bool {
	for index := 0; index < len(raw); index++ {
		if raw[index] != '\\' {
			continue
		}
		index++
		if raw[index] != 'u' {
			continue
		}
		unit := codeUnit(raw[index+1:])
		index += 4
		switch {
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return true
		case unit >= 0xD800 && unit <= 0xDBFF:
			next := raw[index+1:]
			if len(next) < 6 || next[0] != '\\' || next[1] != 'u' || codeUnit(next[2:])&^0x3FF != 0xDC00 {
				return true
			}
			index += 6
		}
	}
	return false
}

func codeUnit(digits []byte) uint64 {
	unit, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return unit
}

func levelField(fields map[string]json.RawMessage, name string) (uint32, *refusal) {
	raw, present := fields[name]
	if !present {
		return 0, &refusal{name, name + " is missing"}
	}
	// The number is read as JavaScript reads it: rounded to a binary64, past its range infinite.
	value, err := strconv.ParseFloat(string(raw), 64)
	isNumber := raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'
	inRange := value >= 0 && value <= math.MaxUint32 && value == math.Trunc(value)
	if !isNumber || err != nil || !inRange {
		return 0, &refusal{name, name + " must be an integer from 0 to 4294967295"}
	}
	return uint32(value), nil
}
