// Package wire decodes what Loggregator sends, v1 and v2 envelopes in protobuf and the JSON of the RLP gateway, into views that point into
// the received bytes. It walks the bytes and never unmarshals into generated types.
package wire

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// The wire types of protobuf that messages of Loggregator use.
const (
	Varint  = uint64(protowire.VarintType)
	Fixed64 = uint64(protowire.Fixed64Type)
	Bytes   = uint64(protowire.BytesType)
)

// fields walks the fields of one message. A field is known by its key, the number and the wire type together as they
// stand on the wire, so that a known number of the wrong type is an unknown field, as it is to protobuf.
//
//	for f := (fields{message: message}); f.next(); { switch f.key { ... } }
type Fields struct {
	Message []byte
	at      int // where the next field begins

	Key    uint64
	Number uint64 // the value of a varint or fixed64
	Bytes  []byte // the value of a string, of bytes or of a message; points into the message
	Bad    bool   // the message is malformed; next returned false
}

// next reads one field and says whether there was one. Groups and unknown fields are stepped over as one field with a key of
// their own. It is the hottest code of the exporter: its fast paths are for keys of up to two bytes, numbers of one byte and
// lengths below 128.
func (f *Fields) Next() bool {
	b, at := f.Message, f.at
	if at >= len(b) {
		return false
	}
	key := uint64(b[at])
	at++
	if key >= 0x80 {
		if at < len(b) && b[at] < 0x80 {
			key = key&0x7f | uint64(b[at])<<7
			at++
		} else {
			long, n := protowire.ConsumeVarint(b[at-1:])
			if n < 0 || long>>3 > uint64(protowire.MaxValidNumber) {
				return f.fail()
			}
			key, at = long, at+n-1
		}
	}
	if key>>3 < uint64(protowire.MinValidNumber) {
		return f.fail()
	}
	f.Key = key
	switch key & 7 {
	case Bytes:
		if at < len(b) && b[at] < 0x80 {
			if end := at + 1 + int(b[at]); end <= len(b) {
				f.Bytes, f.at = b[at+1:end], end
				return true
			}
			return f.fail()
		}
		v, n := protowire.ConsumeBytes(b[at:])
		if n < 0 {
			return f.fail()
		}
		f.Bytes, f.at = v, at+n
	case Varint:
		if at < len(b) && b[at] < 0x80 {
			f.Number, f.at = uint64(b[at]), at+1
			return true
		}
		v, n := protowire.ConsumeVarint(b[at:])
		if n < 0 {
			return f.fail()
		}
		f.Number, f.at = v, at+n
	case Fixed64:
		if len(b)-at < 8 {
			return f.fail()
		}
		f.Number, f.at = binary.LittleEndian.Uint64(b[at:]), at+8
	default:
		return f.skip(at)
	}
	return true
}

// skip steps over a value of a wire type that no field of ours has: fixed32 and groups.
func (f *Fields) skip(at int) bool {
	n := protowire.ConsumeFieldValue(protowire.Number(f.Key>>3), protowire.Type(f.Key&7), f.Message[at:])
	if n < 0 {
		return f.fail()
	}
	f.at = at + n
	return true
}

func (f *Fields) fail() bool {
	f.Bad, f.at = true, len(f.Message)
	return false
}

// wellFormed says whether a message whose content is of no interest could be read at all.
func wellFormed(message []byte) bool {
	f := Fields{Message: message}
	for f.Next() {
	}
	return !f.Bad
}

// stringPair reads an entry of a map<string, string>: key and value come in either order, twice (the last counts) or not at all (empty).
func stringPair(entry []byte) (key, value []byte, ok bool) {
	// Fast path: the key, then the value, both shorter than 128 bytes, and nothing else: what every encoder writes.
	if len(entry) >= 2 && entry[0] == 1<<3|byte(Bytes) && entry[1] < 0x80 {
		if k := 2 + int(entry[1]); k+2 <= len(entry) && entry[k] == 2<<3|byte(Bytes) && entry[k+1] < 0x80 && k+2+int(entry[k+1]) == len(entry) {
			return entry[2:k], entry[k+2:], true
		}
	}
	f := Fields{Message: entry}
	for f.Next() {
		switch f.Key {
		case 1<<3 | Bytes:
			key = f.Bytes
		case 2<<3 | Bytes:
			value = f.Bytes
		}
	}
	return key, value, !f.Bad
}
