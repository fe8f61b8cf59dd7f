package overview

import "time"

// Status is what the person on call sees first.
type Status struct {
	Time    time.Time `json:"time"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Problems is what is not well, the most severe first. All is well where it is empty.
	Problems []Problem `json:"problems"`
	Sources  []Source  `json:"sources"`
	Ledger   Ledger    `json:"ledger"`
	// Losses is what Loggregator itself reports as lost before it reached the exporter.
	Losses []Loss      `json:"losses"`
	Series SeriesCount `json:"series"`
	Memory Memory      `json:"memory"`
	// Scrapers are those seen in the last hour, the latest first; at most 32.
	Scrapers []Scraper `json:"scrapers"`
	// RemoteWrite is missing where remote write is off.
	RemoteWrite *RemoteWrite `json:"remote_write,omitempty"`
	Reload      Reload       `json:"reload"`
}

// Source is a source of envelopes and how it fares.
type Source struct {
	// Name is the configuration key: rlp, gateway, firehose, udp, ingress, syslog, otlp or replay.
	Name string `json:"name"`
	// Up says that the source is connected and no longer silent than is usual for it.
	Up          bool `json:"up"`
	Connections int  `json:"connections"`
	// ConnectedSince is when the first of the open connections was opened.
	ConnectedSince time.Time `json:"connected_since,omitzero"`
	// LastEnvelope is when the last envelope arrived that could be read.
	LastEnvelope time.Time `json:"last_envelope,omitzero"`
	// LastError is the last reason for which a connection ended, was refused or could not be made.
	LastError *SourceError `json:"last_error,omitempty"`
	// EnvelopesPerSecond is the mean of the last minute.
	EnvelopesPerSecond float64 `json:"envelopes_per_second"`
	// Received counts envelopes since the start, Envelopes by what became of them, Samples those of the converted
	// envelopes by what became of them.
	Received  uint64            `json:"received"`
	Envelopes map[string]uint64 `json:"envelopes"`
	Samples   map[string]uint64 `json:"samples"`
	// Reconnects and Refusals count by reason, see docs/metrics.md.
	Reconnects map[string]uint64 `json:"reconnects"`
	Refusals   map[string]uint64 `json:"refusals"`
	// ClockAheadSeconds is how far the clock of a sender was ahead of the exporter's in the last minutes, at most; below 0
	// where all were behind. ClockSender says which sender that was.
	ClockAheadSeconds float64 `json:"clock_ahead_seconds"`
	ClockSender       string  `json:"clock_sender,omitempty"`
	// Ignored is what held no metric, Malformed what was wrong with what could not be read: their counts add up to those
	// of Envelopes.
	Ignored   []Ignored   `json:"ignored"`
	Malformed []Malformed `json:"malformed"`
}

// Ignored counts envelopes of one kind that hold no metric.
type Ignored struct {
	// What is log message, event, envelope without message, gauge without metrics, span or log record; Why says why it is
	// ignored.
	What  string `json:"what"`
	Why   string `json:"why"`
	Count uint64 `json:"count"`
	// LastSeen is when the last one came, Sender who sent one of the last second, where that is known.
	LastSeen time.Time `json:"last_seen"`
	Sender   string    `json:"sender,omitempty"`
}

// Malformed counts envelopes, or parts of messages, that could not be read for one reason.
type Malformed struct {
	// Error is what was wrong; empty for what comes after the first 32 errors of a source.
	Error string `json:"error"`
	Count uint64 `json:"count"`
	// LastSeen is when the last one came. Sender is the address that one came from, and Excerpt how it begins, quoted,
	// where they are known.
	LastSeen time.Time `json:"last_seen"`
	Sender   string    `json:"sender,omitempty"`
	Excerpt  string    `json:"excerpt,omitempty"`
}

// SourceError is why a connection of a source ended, was refused or could not be made.
type SourceError struct {
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
	// Advice is what to look at; Text is the error itself. Both may be empty.
	Advice string `json:"advice,omitempty"`
	Text   string `json:"text,omitempty"`
}

// Ledger is what became of everything received, as a flow: Received envelopes are the sum of Envelopes, the samples of
// the converted ones are the sum of Samples, of which those with the outcome stored are series.
type Ledger struct {
	// UpstreamLost counts envelopes that Loggregator reports as lost; they are no part of Received.
	UpstreamLost Flow   `json:"upstream_lost"`
	Received     Flow   `json:"received"`
	Envelopes    []Flow `json:"envelopes"`
	Samples      []Flow `json:"samples"`
}

// Flow is one branch of the ledger.
type Flow struct {
	// Outcome is the label of the metric: converted, filtered, stored, conflict, ...
	Outcome string `json:"outcome"`
	// Count is the number since the start, of envelopes or of samples.
	Count uint64 `json:"count"`
	// PerSecond is the mean of the last minute.
	PerSecond float64 `json:"per_second"`
	// Lost says that nobody asked for this outcome: something is wrong with a sender, a rule or a limit.
	Lost bool `json:"lost"`
	// Severity is that of the problem that the branch is now; empty where it is none.
	Severity Severity `json:"severity,omitempty"`
	// Meaning is a sentence on the outcome.
	Meaning string `json:"meaning"`
	// Link is the page with the names of the branch, or empty.
	Link string `json:"link,omitempty"`
}

// Loss is what one component of Loggregator reports as lost on one side.
type Loss struct {
	Origin    string `json:"origin"`
	Direction string `json:"direction"`
	// Count is the number of envelopes since the start.
	Count     uint64  `json:"count"`
	PerSecond float64 `json:"per_second"`
	// Severity is that of the problem that the loss is now; empty where it is none.
	Severity Severity `json:"severity,omitempty"`
	// VMs are the 20 that lost most of them, Others is what remains of Count.
	VMs    []LossVM `json:"vms"`
	Others uint64   `json:"others"`
}

// LossVM is what a component of Loggregator reports as lost on one VM.
type LossVM struct {
	// Deployment, Job, Index and IP are the tags of its counter.
	Deployment string `json:"deployment,omitempty"`
	Job        string `json:"job,omitempty"`
	Index      string `json:"index,omitempty"`
	IP         string `json:"ip,omitempty"`
	Count      uint64 `json:"count"`
	// LastSeen is when the last loss was reported.
	LastSeen time.Time `json:"last_seen"`
}

// SeriesCount is how much the store holds.
type SeriesCount struct {
	Series    int `json:"series"`
	MaxSeries int `json:"max_series"`
	Families  int `json:"families"`
	// UntaggedNames counts names that no rule takes from some sender, and in which the quarantine finds nothing, whether
	// they have series or not.
	UntaggedNames int `json:"untagged_names"`
	// UndescribedNames are those of them that no entry of metrics describes either.
	UndescribedNames int `json:"undescribed_names"`
	// Refused are identities that are remembered as refused, dropped by a rule or joined to another.
	Refused int `json:"refused"`
}

// Memory is that of the process, in bytes; 0 where the system does not tell.
type Memory struct {
	ResidentBytes uint64 `json:"resident_bytes"`
	HeapBytes     uint64 `json:"heap_bytes"`
	// LimitBytes is Go's memory limit; 0 for none.
	LimitBytes uint64 `json:"limit_bytes"`
}

// Scraper is a client that scraped the metrics, and its last scrape. Clients with the same address, user agent and
// format are one.
type Scraper struct {
	Address   string `json:"address"`
	UserAgent string `json:"user_agent"`
	// Format is text, openmetrics or protobuf; Compression is gzip, zstd or empty.
	Format      string `json:"format"`
	Compression string `json:"compression,omitempty"`
	// Outcome is complete, aborted, refused or invalid.
	Outcome  string    `json:"outcome"`
	LastSeen time.Time `json:"last_seen"`
	Scrapes  uint64    `json:"scrapes"`
	// Bytes is the size of the page before compression.
	Bytes           int64   `json:"bytes"`
	DurationSeconds float64 `json:"duration_seconds"`
	// IntervalSeconds is the time between the last two scrapes; 0 where there was one only.
	IntervalSeconds float64 `json:"interval_seconds,omitempty"`
	// LimitBytes is the size that the client accepts unless told otherwise, where that is known.
	LimitBytes int64 `json:"limit_bytes,omitempty"`
}

// RemoteWrite is how pushing fares.
type RemoteWrite struct {
	// LagSeconds is how much older the newest sample is that the receiver has than the newest one collected.
	LagSeconds       float64 `json:"lag_seconds"`
	SamplesPending   uint64  `json:"samples_pending"`
	SamplesPerSecond float64 `json:"samples_per_second"`
	// Counts since the start, in samples.
	SamplesTaken   uint64 `json:"samples_taken"`
	SamplesFailed  uint64 `json:"samples_failed"`
	SamplesDropped uint64 `json:"samples_dropped"`
	SamplesRetried uint64 `json:"samples_retried"`
	QueueBytes     uint64 `json:"queue_bytes"`
	QueueMaxBytes  uint64 `json:"queue_max_bytes"`
}

// Reload is the last attempt to load the configuration.
type Reload struct {
	Successful bool `json:"successful"`
	// LastSuccess is when the configuration in force was loaded.
	LastSuccess time.Time `json:"last_success,omitzero"`
	// LastAttempt is when it was tried last; Error is why that failed, or empty.
	LastAttempt time.Time `json:"last_attempt,omitzero"`
	Error       string    `json:"error,omitempty"`
}
