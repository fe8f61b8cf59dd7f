package foundation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rfc5424"
	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
)

// Drain says which envelopes a syslog agent sends, as the query of its drain's URL does.
type Drain string

// The values of drain-data.
const (
	DrainMetrics Drain = "metrics" // gauges and counters
	DrainTraces  Drain = "traces"  // timers
	DrainAll     Drain = "all"
)

// SyslogMessages returns the frames that a syslog agent makes of an envelope, by the library that it uses: one for
// each metric of a gauge, in random order. The library refuses what RFC 5424 cannot express.
func SyslogMessages(e *loggregator_v2.Envelope, drain Drain) (frames [][]byte, err error) {
	metrics, traces := drain != DrainTraces, drain != DrainMetrics
	add := func(process string, text string, element ...rfc5424.StructuredData) {
		frame, failed := syslogFrame(e, process, text, element)
		frames, err = append(frames, frame), cmp.Or(err, failed)
	}
	instance := "[" + e.InstanceId + "]"
	switch m := e.Message.(type) {
	case *loggregator_v2.Envelope_Gauge:
		for name, value := range m.Gauge.GetMetrics() {
			if metrics {
				add(instance, "\n", datum("gauge", "name", name, "value", strconv.FormatFloat(value.GetValue(), 'g', -1, 64),
					"unit", value.GetUnit()))
			}
		}
	case *loggregator_v2.Envelope_Counter:
		if metrics {
			add(instance, "\n", datum("counter", "name", m.Counter.Name, "total", strconv.FormatUint(m.Counter.Total, 10),
				"delta", strconv.FormatUint(m.Counter.Delta, 10)))
		}
	case *loggregator_v2.Envelope_Timer:
		if traces {
			add(instance, "\n", datum("timer", "name", m.Timer.Name, "start", strconv.FormatInt(m.Timer.Start, 10),
				"stop", strconv.FormatInt(m.Timer.Stop, 10)))
		}
	case *loggregator_v2.Envelope_Event:
		if drain == DrainAll {
			add(instance, "\n", datum("event", "title", m.Event.Title, "body", m.Event.Body))
		}
	case *loggregator_v2.Envelope_Log:
		if drain == DrainAll {
			add("["+e.Tags["source_type"]+"/"+e.InstanceId+"]", string(m.Log.Payload)+"\n")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("syslog message: %w", err)
	}
	return frames, nil
}

// datum is an element of Cloud Foundry's structured data.
func datum(id string, pairs ...string) rfc5424.StructuredData {
	d := rfc5424.StructuredData{ID: id + "@47450"}
	for pair := range slices.Chunk(pairs, 2) {
		d.Parameters = append(d.Parameters, rfc5424.SDParam{Name: pair[0], Value: pair[1]})
	}
	return d
}

func syslogFrame(
	e *loggregator_v2.Envelope, process, text string, elements []rfc5424.StructuredData,
) ([]byte, error) {
	if len(e.Tags) > 0 {
		var pairs []string
		for _, key := range slices.Sorted(maps.Keys(e.Tags)) {
			pairs = append(pairs, key, e.Tags[key])
		}
		elements = append(elements, datum("tags", pairs...))
	}
	message := rfc5424.Message{
		Priority: rfc5424.User | rfc5424.Info, Timestamp: time.Unix(0, e.Timestamp).UTC(), Hostname: syslogHost(e.Tags),
		AppName: e.SourceId, ProcessID: process, StructuredData: elements, Message: []byte(text),
	}
	if log := e.GetLog(); log != nil && log.Type == loggregator_v2.Log_ERR {
		message.Priority = rfc5424.User | rfc5424.Error
	}
	b, err := message.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return append(fmt.Appendf(nil, "%d ", len(b)), b...), nil
}

// syslogHost is the host name of an app's messages.
func syslogHost(tags map[string]string) string {
	var parts []string
	for _, key := range []string{"organization_name", "space_name", "app_name"} {
		part := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
				return r
			}
			return -1
		}, tags[key])
		if part != "" {
			parts = append(parts, part[:min(len(part), 63)])
		}
	}
	return strings.Join(parts, ".")
}
