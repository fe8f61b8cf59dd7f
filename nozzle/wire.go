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
)

// fields walks the fields of one message. A field is known by its key, the number and the wire type together as they
// stand on the wire, so that a known number of the wrong type is an unknown field, as it is to protobuf.
//
//	for f := (fields{message: message}); f.next(); { switch f.key { ... } }
type fields struct {
	message []byte
	at      int // where the next field begins

	key    uint64
	number uint64 // the value of a varint or fixed64
	bytes  []byte // the value of a string, of bytes or of a message; points into the message
	bad    bool   // the message is malformed; next returned false
}

// next reads one field and says whether there was one. Groups and unknown fields are stepped over as one field with a key of
// their own. It is the hottest code of the exporter: its fast paths are for keys of up to two bytes, numbers of one byte and
// lengths below 128.
func (f *fields) next() bool {
	b, at := f.message, f.at
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
	f.key = key
	switch key & 7 {
	case wireBytes:
		if at < len(b) && b[at] < 0x80 {
			if end := at + 1 + int(b[at]); end <= len(b) {
				f.bytes, f.at = b[at+1:end], end
				return true
			}
			return f.fail()
		}
		v, n := protowire.ConsumeBytes(b[at:])
		if n < 0 {
			return f.fail()
		}
		f.bytes, f.at = v, at+n
	case wireVarint:
		if at < len(b) && b[at] < 0x80 {
			f.number, f.at = uint64(b[at]), at+1
			return true
		}
		v, n := protowire.ConsumeVarint(b[at:])
		if n < 0 {
			return f.fail()
		}
		f.number, f.at = v, at+n
	case wireFixed64:
		if len(b)-at < 8 {
			return f.fail()
		}
		f.number, f.at = binary.LittleEndian.Uint64(b[at:]), at+8
	default:
		return f.skip(at)
	}
	return true
}

// skip steps over a value of a wire type that no field of ours has: fixed32 and groups.
func (f *fields) skip(at int) bool {
	n := protowire.ConsumeFieldValue(protowire.Number(f.key>>3), protowire.Type(f.key&7), f.message[at:])
	if n < 0 {
		return f.fail()
	}
	f.at = at + n
	return true
}

func (f *fields) fail() bool {
	f.bad, f.at = true, len(f.message)
	return false
}

// wellFormed says whether a message whose content is of no interest could be read at all.
func wellFormed(message []byte) bool {
	f := fields{message: message}
	for f.next() {
	}
	return !f.bad
}

// stringPair reads an entry of a map<string, string>: key and value come in either order, twice (the last counts) or not at all (empty).
func stringPair(entry []byte) (key, value []byte, ok bool) {
	// Fast path: the key, then the value, both shorter than 128 bytes, and nothing else: what every encoder writes.
	if len(entry) >= 2 && entry[0] == 1<<3|byte(wireBytes) && entry[1] < 0x80 {
		if k := 2 + int(entry[1]); k+2 <= len(entry) && entry[k] == 2<<3|byte(wireBytes) && entry[k+1] < 0x80 && k+2+int(entry[k+1]) == len(entry) {
			return entry[2:k], entry[k+2:], true
		}
	}
	f := fields{message: entry}
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
