package capture

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/nozzle/wire"
)

// Scrubber replaces everything in a message that could identify a foundation, its operators or its users, except
// numbers, times and words of Cloud Foundry's own vocabulary. Each field is either vocabulary (names of metrics,
// tags and components, units: words that are not known are replaced one by one) or free text (replaced as a whole).
// Equal inputs become equal outputs for as long as the scrubber lives, different inputs different outputs. Its key
// is random and never written. A Scrubber serves one goroutine.
type Scrubber struct {
	key        [32]byte
	vocabulary map[string]bool // known words, in lower case
	// replaced remembers what vocabulary fields became, since the same few names come again and again.
	replaced map[string]string
}

// NewScrubber returns a scrubber with a new key. All words of the texts belong to the vocabulary, and are kept.
func NewScrubber(vocabulary ...string) *Scrubber {
	s := &Scrubber{vocabulary: make(map[string]bool)}
	_, _ = rand.Read(s.key[:]) // it never fails
	s.learn(protocolWords)
	s.learn(metricWords)
	for _, names := range []map[string]bool{vocabularyTags, uriTags, hostTags} {
		for name := range names {
			s.learn(name)
		}
	}
	for name := range nameTags {
		s.learn(name)
	}
	for _, text := range vocabulary {
		s.learn(text)
	}
	return s
}

// learn adds the words of a text to the vocabulary.
func (s *Scrubber) learn(text string) {
	for part := range parts(text) {
		if part.kind == wordPart {
			s.vocabulary[part.lower()] = true
		}
	}
}

// protocolWords are words of the protocols themselves: values of tags that Loggregator and the gorouter set, and the
// units that components write.
const protocolWords = `ValueMetric CounterEvent ContainerMetric HttpStartStop LogMessage Error Client Server
	GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT http https tcp udp tls grpc ws wss ingress egress
	APP PROC WEB CELL RTR STG SSH API LGR task worker web true false stdout stderr
	count gauge counter metric total number boolean integer float percent percentage nanos nanoseconds ns us microsecond
	ms millis millisecond milliseconds s sec second seconds minute minutes hour hours bit bits byte bytes B KB KiB MB MiB
	GB GiB kilobytes megabytes megabyte page pages op ops per cores le quantile bucket sum created`

// metricWords are the words in names of metrics of databases, runtimes and frameworks that the catalogue does not
// have.
const metricWords = `
	abort active ahead alarm alive allocation attempt avg backlog batch behind block blocked broken build cache
	capacity class cleanup closed cluster cold committed compaction config connect consumer context converge core
	count custom cycle daemon db deadlock declared delay deploy depth desire desired drift elapsed enabled entry
	error eviction failure fetch file flush fragment free frequency frontend garbage gc get global group handle
	heap hikaricp hit idle index inflight insert interval inuse invalid io iops item java job jvm keepalive lag
	latency leader leap level list live load loaded local log logback mapped mark master max mean median memory
	message min miss missed mongo move mysql network nginx node non nonheap ntp object offset old open operation
	ops overflow packet page paging panic parse partition pause peak peer pending pickup ping pool postgres
	pressure process producer promhttp publish purge put quota ratio read ready rebalance received redis refused
	reject release remaining replica request reserved reset resident response restart retry return rollback root
	rotate rss run running rx saturation scan schedule search segment sent server session shard shared size skew
	slave slow socket space spring start state status std stop stratum stream success swap sync systemload table
	task temp thread throttle throughput timeout tomcat tps transaction tx unresponsive update upstream uptime
	usage used user utilization version vm wait warm watermark write young`

// How the values of tags are scrubbed. Any other tag is set by developers, so that its value is free text.
var (
	vocabularyTags = setOf(`origin deployment job index ip component product source_id instance_id __v1_type
		app_id space_id organization_id org_id process_id process_instance_id process_type instance_guid
		routing_instance_id request_id trace_id span_id parent_span_id peer_type method status_code content_length
		direction metric_version protocol network_interface unit status level zone az placement_tag agent`)
	// nameTags hold the name of something; the value is what its pseudonym begins with.
	nameTags = map[string]string{
		"app_name": "app", "application_name": "app", "space_name": "space", "organization_name": "org", "org_name": "org",
		"user_agent": "agent",
	}
	uriTags  = setOf("uri url path referer referrer endpoint")
	hostTags = setOf("host hostname host_name server address remote_address forwarded x_forwarded_for forwarded_for " +
		"system_domain domain")
)

func setOf(names string) map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		set[name] = true
	}
	return set
}

// tag returns the replacement of a tag's value.
func (s *Scrubber) tag(key, value string) string {
	switch {
	case vocabularyTags[key]:
		return s.words(value)
	case nameTags[key] != "":
		return s.name(nameTags[key], value)
	case uriTags[key]:
		return s.uri(value)
	case hostTags[key]:
		return s.hosts(value)
	default:
		return s.value(value)
	}
}

// message scrubs the message of a record. ok is false if nothing in it can be decoded, so that it must not be written.
func (s *Scrubber) message(format Format, message []byte) (scrubbed []byte, ok bool) {
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

// v2 scrubs the envelopes of a batch one by one and leaves out those that cannot be decoded.
func (s *Scrubber) v2(batch []byte) ([]byte, bool) {
	var out []byte
	all, read := 0, 0
	f := wire.Fields{Message: batch}
	for f.Next() {
		if f.Tag != 1<<3|wire.Bytes {
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
	e.SourceId, e.InstanceId = s.words(e.SourceId), s.words(e.InstanceId)
	e.Tags = s.tags(e.Tags)
	deprecated := make(map[string]*loggregator_v2.Value, len(e.DeprecatedTags))
	for key, value := range e.DeprecatedTags {
		s.deprecatedTag(key, value)
		deprecated[s.words(key)] = value
	}
	e.DeprecatedTags = deprecated
	switch m := e.Message.(type) {
	case *loggregator_v2.Envelope_Log:
		m.Log.Payload = nil
	case *loggregator_v2.Envelope_Event:
		m.Event.Title, m.Event.Body = "", ""
	case *loggregator_v2.Envelope_Counter:
		m.Counter.Name = s.words(m.Counter.Name)
	case *loggregator_v2.Envelope_Timer:
		m.Timer.Name = s.words(m.Timer.Name)
	case *loggregator_v2.Envelope_Gauge:
		metrics := make(map[string]*loggregator_v2.GaugeValue, len(m.Gauge.Metrics))
		for name, value := range m.Gauge.Metrics {
			if value != nil {
				value.Unit = s.words(value.Unit)
			}
			metrics[s.words(name)] = value
		}
		m.Gauge.Metrics = metrics
	}
}

// deprecatedTag scrubs a typed tag. Numbers are scrubbed as their text is, since one may identify a customer.
func (s *Scrubber) deprecatedTag(key string, value *loggregator_v2.Value) {
	switch v := value.GetData().(type) {
	case *loggregator_v2.Value_Text:
		v.Text = s.tag(key, v.Text)
	case *loggregator_v2.Value_Integer:
		if n, err := strconv.ParseInt(s.tag(key, strconv.FormatInt(v.Integer, 10)), 10, 64); err == nil {
			v.Integer = n
			return
		}
		value.Data = &loggregator_v2.Value_Text{Text: s.tag(key, strconv.FormatInt(v.Integer, 10))}
	case *loggregator_v2.Value_Decimal:
		text := strconv.FormatFloat(v.Decimal, 'f', -1, 64)
		if scrubbed := s.tag(key, text); scrubbed != text {
			value.Data = &loggregator_v2.Value_Text{Text: scrubbed}
		}
	}
}

func (s *Scrubber) tags(tags map[string]string) map[string]string {
	out := make(map[string]string, len(tags))
	for key, value := range tags {
		out[s.words(key)] = s.tag(key, value)
	}
	return out
}

func (s *Scrubber) v1(envelope []byte) ([]byte, bool) {
	var e events.Envelope
	if scrubRead.Unmarshal(envelope, &e) != nil {
		return nil, false
	}
	vocabulary := []*string{e.Origin, e.Deployment, e.Job, e.Index, e.Ip}
	e.Tags = s.tags(e.Tags)
	if m := e.ValueMetric; m != nil {
		vocabulary = append(vocabulary, m.Name, m.Unit)
	}
	if m := e.CounterEvent; m != nil {
		vocabulary = append(vocabulary, m.Name)
	}
	if m := e.ContainerMetric; m != nil {
		vocabulary = append(vocabulary, m.ApplicationId)
	}
	if m := e.HttpStartStop; m != nil {
		s.request(m)
		vocabulary = append(vocabulary, m.InstanceId)
	}
	if m := e.LogMessage; m != nil {
		m.Message = []byte{}
		vocabulary = append(vocabulary, m.AppId, m.SourceType, m.SourceInstance)
	}
	if m := e.Error; m != nil {
		m.Message = new("")
		vocabulary = append(vocabulary, m.Source)
	}
	for _, text := range vocabulary {
		if text != nil {
			*text = s.words(*text)
		}
	}
	out, err := scrubWrite.Marshal(&e)
	return out, err == nil
}

func (s *Scrubber) request(m *events.HttpStartStop) {
	s.uuid(m.RequestId)
	s.uuid(m.ApplicationId)
	if m.Uri != nil {
		m.Uri = new(s.uri(m.GetUri()))
	}
	if m.RemoteAddress != nil {
		m.RemoteAddress = new(s.hosts(m.GetRemoteAddress()))
	}
	if m.UserAgent != nil {
		m.UserAgent = new(s.name("agent", m.GetUserAgent()))
	}
	for i, hosts := range m.Forwarded {
		m.Forwarded[i] = s.hosts(hosts)
	}
}

// uuid replaces an id as its text is replaced elsewhere. Zero, the id of no app, stays.
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
