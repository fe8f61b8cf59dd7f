package wire

import (
	"strings"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
)

// WhyV1 says what is wrong with a malformed dropsonde envelope, in the words of the protobuf library. It is slow.
func WhyV1(envelope []byte) string { return why(envelope, &events.Envelope{}, "no dropsonde envelope") }

// WhyV2 says what is wrong with a malformed loggregator.v2 envelope, in the words of the protobuf library. It is slow.
func WhyV2(envelope []byte) string {
	return why(envelope, &loggregator_v2.Envelope{}, "no envelope of loggregator.v2")
}

func why(envelope []byte, as proto.Message, otherwise string) string {
	if len(envelope) == 0 {
		return "empty"
	}
	err := proto.Unmarshal(envelope, as)
	if err == nil {
		return otherwise
	}
	return strings.TrimSpace(strings.TrimPrefix(err.Error(), "proto:")) // a space of any kind follows
}

// WhySyslog says what is wrong with a message of which Decode has left such a view.
func WhySyslog(e *metric.Envelope) string {
	switch {
	case e.Timestamp == 0:
		return "no header of a syslog message (RFC 5424)"
	case e.Kind == metric.KindNone:
		return "the header or the structured data cannot be read"
	default:
		return "the element of the " + e.Kind.String() + " lacks its name or a number, or what follows cannot be read"
	}
}
