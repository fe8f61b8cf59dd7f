package capture

import (
	"encoding/binary"
	"encoding/hex"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/nozzle/wire"
)

// How tags are scrubbed. What is not named here is of unknown meaning, and its value is replaced as a whole: developers put what they
// like into tags of their own.
var (
	// tagsKept are words of Cloud Foundry's own, which rules ask for. Ids and addresses in them are replaced.
	tagsKept = setOf("origin", "deployment", "job", "index", "ip", "component", "product", "source_id", "instance_id", "__v1_type",
		"app_id", "space_id", "organization_id", "org_id", "process_id", "process_instance_id", "process_type", "instance_guid", "routing_instance_id",
		"request_id", "trace_id", "span_id", "parent_span_id", "peer_type", "method", "status_code", "content_length", "direction", "metric_version",
		"protocol", "network_interface", "unit", "status", "level", "zone", "az", "placement_tag", "agent")
	// tagsNamed hold a name, and the word that its pseudonym begins with.
	tagsNamed = map[string]string{
		"app_name": "app", "application_name": "app", "space_name": "space", "organization_name": "org", "org_name": "org",
		"user_agent": "agent",
	}
	tagsURI  = setOf("uri", "url", "path", "referer", "referrer", "endpoint")
	tagsHost = setOf("host", "hostname", "host_name", "server", "address", "remote_address", "forwarded", "x_forwarded_for", "forwarded_for", "system_domain", "domain")
)

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// tag replaces the value of a tag.
func (s *Scrubber) tag(key, value string) string {
	switch {
	case tagsKept[key]:
		return s.text(value)
	case tagsNamed[key] != "":
		return s.name(tagsNamed[key], value)
	case tagsURI[key]:
		return s.uri(value)
	case tagsHost[key]:
		return s.addresses(value)
	default:
		return s.value(value)
	}
}

// message scrubs the message of a record. It is false where the message cannot be read: what is in it then, nobody knows.
func (s *Scrubber) message(format Format, message []byte) ([]byte, bool) {
	if format == V1 {
		return s.v1(message)
	}
	return s.v2(message)
}

var (
	// Fields that the generated types do not know could hold anything.
	scrubRead  = proto.UnmarshalOptions{DiscardUnknown: true}
	scrubWrite = proto.MarshalOptions{Deterministic: true} // which compresses better
)

// v2 scrubs the envelopes of a batch one by one and leaves out those that cannot be read.
func (s *Scrubber) v2(batch []byte) ([]byte, bool) {
	var out []byte
	all, read := 0, 0
	f := wire.Fields{Message: batch}
	for f.Next() {
		if f.Key != 1<<3|wire.Bytes {
			continue
		}
		all++
		var e loggregator_v2.Envelope
		if scrubRead.Unmarshal(f.Bytes, &e) != nil {
			continue
		}
		s.envelope(&e)
		body, err := scrubWrite.Marshal(&e)
		if err != nil {
			continue
		}
		read++
		out = appendBytes(out, 1<<3|wire.Bytes, body)
	}
	return out, read > 0 || all == 0 && !f.Bad
}

func (s *Scrubber) envelope(e *loggregator_v2.Envelope) {
	e.SourceId, e.InstanceId = s.text(e.SourceId), s.text(e.InstanceId)
	e.Tags = s.tags(e.Tags)
	deprecated := make(map[string]*loggregator_v2.Value, len(e.DeprecatedTags))
	for key, value := range e.DeprecatedTags {
		if text, ok := value.GetData().(*loggregator_v2.Value_Text); ok {
			text.Text = s.tag(key, text.Text)
		}
		deprecated[s.text(key)] = value
	}
	e.DeprecatedTags = deprecated
	switch m := e.Message.(type) {
	case *loggregator_v2.Envelope_Log:
		m.Log.Payload = nil
	case *loggregator_v2.Envelope_Event:
		m.Event.Title, m.Event.Body = "", ""
	case *loggregator_v2.Envelope_Counter:
		m.Counter.Name = s.text(m.Counter.Name)
	case *loggregator_v2.Envelope_Timer:
		m.Timer.Name = s.text(m.Timer.Name)
	case *loggregator_v2.Envelope_Gauge:
		metrics := make(map[string]*loggregator_v2.GaugeValue, len(m.Gauge.Metrics))
		for name, value := range m.Gauge.Metrics {
			if value != nil {
				value.Unit = s.text(value.Unit)
			}
			metrics[s.text(name)] = value
		}
		m.Gauge.Metrics = metrics
	}
}

func (s *Scrubber) tags(tags map[string]string) map[string]string {
	out := make(map[string]string, len(tags))
	for key, value := range tags {
		out[s.text(key)] = s.tag(key, value)
	}
	return out
}

func (s *Scrubber) v1(envelope []byte) ([]byte, bool) {
	var e events.Envelope
	if scrubRead.Unmarshal(envelope, &e) != nil {
		return nil, false
	}
	for _, field := range []*string{e.Origin, e.Deployment, e.Job, e.Index, e.Ip} {
		s.inPlace(field)
	}
	e.Tags = s.tags(e.Tags)
	if m := e.ValueMetric; m != nil {
		s.inPlace(m.Name)
		s.inPlace(m.Unit)
	}
	if m := e.CounterEvent; m != nil {
		s.inPlace(m.Name)
	}
	if m := e.ContainerMetric; m != nil {
		s.inPlace(m.ApplicationId)
	}
	if m := e.HttpStartStop; m != nil {
		s.request(m)
	}
	if m := e.LogMessage; m != nil {
		m.Message = []byte{}
		s.inPlace(m.AppId)
		s.inPlace(m.SourceType)
		s.inPlace(m.SourceInstance)
	}
	if m := e.Error; m != nil {
		m.Message = new("")
		s.inPlace(m.Source)
	}
	out, err := scrubWrite.Marshal(&e)
	return out, err == nil
}

func (s *Scrubber) request(m *events.HttpStartStop) {
	s.uuid(m.RequestId)
	s.uuid(m.ApplicationId)
	s.inPlace(m.InstanceId)
	if m.Uri != nil {
		m.Uri = new(s.uri(m.GetUri()))
	}
	if m.RemoteAddress != nil {
		m.RemoteAddress = new(s.addresses(m.GetRemoteAddress()))
	}
	if m.UserAgent != nil {
		m.UserAgent = new(s.name("agent", m.GetUserAgent()))
	}
	for i, address := range m.Forwarded {
		m.Forwarded[i] = s.addresses(address)
	}
}

func (s *Scrubber) inPlace(text *string) {
	if text != nil {
		*text = s.text(*text)
	}
}

// uuid replaces an id by what replaces its text elsewhere. No app is still no app.
func (s *Scrubber) uuid(u *events.UUID) {
	if u == nil || u.GetLow() == 0 && u.GetHigh() == 0 {
		return
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], u.GetLow())
	binary.LittleEndian.PutUint64(b[8:], u.GetHigh())
	scrubbed, err := hex.DecodeString(s.id(hex.EncodeToString(b[:])))
	if err != nil {
		return
	}
	u.Low = new(binary.LittleEndian.Uint64(scrubbed[:8]))
	u.High = new(binary.LittleEndian.Uint64(scrubbed[8:]))
}
