// Package wire decodes what Loggregator sends, v1 and v2 envelopes in protobuf, the JSON of the RLP gateway and
// syslog messages, and the metrics of OpenTelemetry into views that point into the received bytes. It walks the
// bytes and does not unmarshal into generated types, except for what is rare.
package wire

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// The wire types of protobuf that messages of Loggregator use. A field tag is the field's number and wire type
// together, as they are encoded: number<<3 | wire type.
const (
	Varint  = uint64(protowire.VarintType)
	Fixed64 = uint64(protowire.Fixed64Type)
	Bytes   = uint64(protowire.BytesType)
)

// Fields walks the fields of one message. They are told apart by their tags, so that a known number with the wrong
// wire type is an unknown field, as it is to protobuf.
//
//	for f := (Fields{Message: message}); f.Next(); { switch f.Tag { ... } }
type Fields struct {
	Message []byte
	at      int // where the next field begins

	Tag    uint64
	Number uint64 // the value of a varint or fixed64
	Bytes  []byte // the value of a string, of bytes or of a message; points into the message
	Bad    bool   // the message is malformed; Next returned false
}

// Next reads one field and reports whether there was one. Groups and fields of unknown wire types are returned as one
// field without a value. It is the hottest code of the exporter: its fast paths are for tags of up to two bytes,
// numbers of one byte and lengths below 128.
func (f *Fields) Next() bool {
	b, at := f.Message, f.at
	if at >= len(b) {
		return false
	}
	tag := uint64(b[at])
	at++
	if tag >= 0x80 {
		if at < len(b) && b[at] < 0x80 {
			tag = tag&0x7f | uint64(b[at])<<7
			at++
		} else {
			long, n := protowire.ConsumeVarint(b[at-1:])
			if n < 0 || long>>3 > uint64(protowire.MaxValidNumber) {
				return f.fail()
			}
			tag, at = long, at+n-1
		}
	}
	if tag>>3 < uint64(protowire.MinValidNumber) {
		return f.fail()
	}
	f.Tag = tag
	switch tag & 7 {
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

// skip steps over the value of a wire type that no field of ours has: fixed32 and groups.
func (f *Fields) skip(at int) bool {
	n := protowire.ConsumeFieldValue(protowire.Number(f.Tag>>3), protowire.Type(f.Tag&7), f.Message[at:])
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

// wellFormed reports whether a message whose content is not used can be read.
func wellFormed(message []byte) bool {
	f := Fields{Message: message}
	for f.Next() {
	}
	return !f.Bad
}

// Tags of the fields of a map's entry whose keys and values are strings or messages.
const (
	entryKey   = 1<<3 | Bytes
	entryValue = 2<<3 | Bytes
)

// stringPair reads an entry of a map<string, string>. Key and value come in any order; of one that comes twice the
// last counts, one that is missing is empty.
func stringPair(entry []byte) (key, value []byte, ok bool) {
	// Fast path: the key, then the value, both shorter than 128 bytes, and nothing else, as every encoder writes them.
	if len(entry) >= 2 && entry[0] == byte(entryKey) && entry[1] < 0x80 {
		k := 2 + int(entry[1])
		if k+2 <= len(entry) && entry[k] == byte(entryValue) && entry[k+1] < 0x80 && k+2+int(entry[k+1]) == len(entry) {
			return entry[2:k], entry[k+2:], true
		}
	}
	f := Fields{Message: entry}
	for f.Next() {
		switch f.Tag {
		case entryKey:
			key = f.Bytes
		case entryValue:
			value = f.Bytes
		}
	}
	return key, value, !f.Bad
}
