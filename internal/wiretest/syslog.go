package wiretest

import (
	"bytes"
	_ "embed" // for what agents sent
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rfc5424"

	"loggregator_exporter/metric"
)

// What a real syslog agent (loggregator-agent-release 8.3.24) sent, one frame a line, as JSON strings.
//
//go:embed testdata/syslog-samples.txt
var syslogSamples string

// SyslogFrames returns what a real syslog agent sent, with octet counts.
func SyslogFrames(tb testing.TB) []string {
	tb.Helper()
	var frames []string
	for line := range strings.Lines(syslogSamples) {
		var frame string
		if err := json.Unmarshal([]byte(line), &frame); err != nil {
			tb.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return frames
}

// SyslogMessages returns the messages of SyslogFrames without octet counts.
func SyslogMessages(tb testing.TB) [][]byte {
	tb.Helper()
	var messages [][]byte
	for _, frame := range SyslogFrames(tb) {
		count, message, _ := strings.Cut(frame, " ")
		if strconv.Itoa(len(message)) != count {
			tb.Fatalf("%s bytes are %d: %q", count, len(message), message)
		}
		messages = append(messages, []byte(message))
	}
	return messages
}

var errNotCanonical = errors.New("not as the library writes it")

// OracleSyslog is what the library of Cloud Foundry for RFC 5424 reads from a message, as a view. It fails where the
// library cannot read the message, where it would write another one, and where a number of a metric is none.
func OracleSyslog(message []byte) (Plain, error) {
	var m rfc5424.Message
	if err := m.UnmarshalBinary(message); err != nil {
		return Plain{}, err
	}
	if again, err := m.MarshalBinary(); err != nil || !bytes.Equal(again, message) || m.Priority > 191 {
		return Plain{}, errNotCanonical
	}
	p := Plain{
		Kind: metric.KindLog, SourceID: strings.TrimPrefix(m.AppName, "-"), Tags: map[string]string{},
		Points: map[string]PlainPoint{}, Timestamp: m.Timestamp.UnixNano(),
	}
	if len(m.AppName) > 1 {
		p.SourceID = m.AppName
	}
	if m.ProcessID != "-" {
		p.InstanceID = strings.TrimSuffix(strings.TrimPrefix(m.ProcessID, "["), "]")
	}
	metrics := 0
	for _, element := range m.StructuredData {
		if element.ID == "" {
			return Plain{}, errNotCanonical
		}
		values := map[string]string{}
		for _, parameter := range element.Parameters {
			values[parameter.Name] = parameter.Value
			if element.ID == "tags@47450" {
				p.Tags[parameter.Name] = parameter.Value
			}
		}
		is, err := p.take(element.ID, values)
		if err != nil {
			return Plain{}, err
		}
		if is {
			metrics++
		}
	}
	if metrics > 1 {
		return Plain{}, errNotCanonical
	}
	return p, nil
}

// take reads an element of structured data, and says whether it decides the kind of the envelope.
func (p *Plain) take(id string, values map[string]string) (bool, error) {
	_, named := values["name"]
	switch id {
	case "gauge@47450":
		v, err := strconv.ParseFloat(values["value"], 64)
		if err != nil || !named {
			return true, errNotCanonical
		}
		p.Kind, p.Points[values["name"]] = metric.KindGauge, PlainPoint{values["unit"], math.Float64bits(v)}
	case "counter@47450":
		var errs [2]error
		for i, of := range []struct {
			key string
			to  *uint64
		}{{"total", &p.Total}, {"delta", &p.Delta}} {
			*of.to, errs[i] = strconv.ParseUint(values[of.key], 10, 64)
			if _, is := values[of.key]; is && errs[i] != nil {
				return true, errNotCanonical
			}
		}
		if !named || errs[0] != nil && errs[1] != nil {
			return true, errNotCanonical
		}
		p.Kind, p.Name = metric.KindCounter, values["name"]
	case "timer@47450":
		var errs [2]error
		p.Start, errs[0] = strconv.ParseInt(values["start"], 10, 64)
		p.Stop, errs[1] = strconv.ParseInt(values["stop"], 10, 64)
		if !named || errors.Join(errs[:]...) != nil {
			return true, errNotCanonical
		}
		p.Kind, p.Name = metric.KindTimer, values["name"]
	case "event@47450":
		p.Kind = metric.KindEvent
	default:
		return false, nil
	}
	return true, nil
}
