package nozzle

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// The wire types of protobuf that messages of Loggregator use.
const (
	wireVarint  = uint64(protowire.VarintType)
	wireFixed64 = uint64(protowire.Fixed64Type)
	wireBytes   = uint64(protowire.BytesType)
	wireFixed32 = uint64(protowire.Fixed32Type)
)

// fields walks the fields of one message. A field is known by its key, the number and the wire type together as they
// stand on the wire, so that a known number of the wrong type is an unknown field, as it is to protobuf.
//
//	for f := (fields{rest: message}); f.next(); { switch f.key { ... } }
type fields struct {
	rest []byte

	key    uint64
	number uint64 // the value of a varint or fixed64
	bytes  []byte // the value of a string, of bytes or of a message; points into the message
	bad    bool   // the message is malformed; next returned false
}

// next reads one field and says whether there was one. Groups and unknown fields are stepped over as one field with a key of their own.
func (f *fields) next() bool {
	b := f.rest
	if len(b) == 0 {
		return false
	}
	key, n := uint64(b[0]), 1
	if key >= 0x80 {
		if key, n = protowire.ConsumeVarint(b); n < 0 {
			return f.fail()
		}
	}
	if num := key >> 3; num < uint64(protowire.MinValidNumber) || num > uint64(protowire.MaxValidNumber) {
		return f.fail()
	}
	f.key, b = key, b[n:]
	switch key & 7 {
	case wireVarint:
		// Fast path: most varints are one byte.
		if len(b) > 0 && b[0] < 0x80 {
			f.number, f.rest = uint64(b[0]), b[1:]
			return true
		}
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return f.fail()
		}
		f.number, f.rest = v, b[n:]
	case wireFixed64:
		if len(b) < 8 {
			return f.fail()
		}
		f.number, f.rest = binary.LittleEndian.Uint64(b), b[8:]
	case wireBytes:
		// Fast path: most strings and messages are shorter than 128 bytes.
		if len(b) > 0 && b[0] < 0x80 && int(b[0]) < len(b) {
			end := int(b[0]) + 1
			f.bytes, f.rest = b[1:end:end], b[end:]
			return true
		}
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return f.fail()
		}
		f.bytes, f.rest = v, b[n:]
	default:
		return f.skip(b)
	}
	return true
}

// skip steps over a value of a wire type that no field of ours has: fixed32 and groups.
func (f *fields) skip(b []byte) bool {
	n := protowire.ConsumeFieldValue(protowire.Number(f.key>>3), protowire.Type(f.key&7), b)
	if n < 0 {
		return f.fail()
	}
	f.rest = b[n:]
	return true
}

func (f *fields) fail() bool {
	f.bad, f.rest = true, nil
	return false
}

// wellFormed says whether a message whose content is of no interest could be read at all.
func wellFormed(message []byte) bool {
	f := fields{rest: message}
	for f.next() {
	}
	return !f.bad
}

// stringPair reads an entry of a map<string, string>: key and value come in either order, twice (the last counts) or not at all (empty).
func stringPair(entry []byte) (key, value []byte, ok bool) {
	// Fast path: the key, then the value, both shorter than 128 bytes, and nothing else: what every encoder writes.
	if len(entry) >= 2 && entry[0] == 1<<3|byte(wireBytes) && entry[1] < 0x80 {
		if k := 2 + int(entry[1]); k+2 <= len(entry) && entry[k] == 2<<3|byte(wireBytes) && entry[k+1] < 0x80 && k+2+int(entry[k+1]) == len(entry) {
			return entry[2:k:k], entry[k+2:], true
		}
	}
	f := fields{rest: entry}
	for f.next() {
		switch f.key {
		case 1<<3 | wireBytes:
			key = f.bytes
		case 2<<3 | wireBytes:
			value = f.bytes
		}
	}
	return key, value, !f.bad
}
