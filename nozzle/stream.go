package nozzle

import (
	"strings"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/nozzle/filter"
	"loggregator_exporter/nozzle/watch"
)

// StreamOptions are shared by the sources that read the stream of a whole foundation.
type StreamOptions struct {
	// ShardID groups readers: an envelope goes to one reader of each group. If it is empty, this reader gets everything.
	ShardID string `mapstructure:"shard_id"`
	// DeterministicName tells the readers of a group apart, so that a series stays on one of them.
	DeterministicName string `mapstructure:"deterministic_name"`
	// NameFrom is what the name was derived from; empty where it was set, or there is none.
	NameFrom string `mapstructure:"-"`
	// Selectors are the kinds of envelopes to ask for: gauge, counter, timer; each once.
	Selectors []string `mapstructure:"selectors"`
	// IdleTimeout is how long a stream may bring nothing before a new one is opened; 30 s where 0.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// Filters decide what is stored, of all sources. Streams are not asked for what they refuse, as far as the protocol
	// can express that.
	Filters []filter.Filter `mapstructure:"filters"`
}

// selection returns what to ask for.
func (o StreamOptions) selection() filter.Selection {
	f, err := filter.New(o.Filters)
	if err != nil {
		f = nil // Check has reported it
	}
	return filter.NewSelection(o.Selectors, f)
}

// request returns the request to the RLP.
func (o StreamOptions) request() *loggregator_v2.EgressBatchRequest {
	return &loggregator_v2.EgressBatchRequest{
		ShardId: o.ShardID, DeterministicName: o.DeterministicName, UsePreferredTags: true,
		Selectors: o.selection().Selectors(),
	}
}

// streamBase holds the fields that the sources of a whole foundation have in common.
type streamBase struct {
	sourceBase
	kinds  []string
	keeper watch.Keeper
}

// newStreamBase returns the fields of a source, whose keeper lacks only Read. attrs are for the log, reasons those
// for a new stream.
func (env *Env) newStreamBase(name string, o StreamOptions, reasons []string, attrs ...any) streamBase {
	b := env.newBase(name, attrs...)
	b.account.reconnects.expect(reasons...)
	b.account.reconnects.expect(watch.Reasons...)
	keeper := watch.Keeper{Account: b.account, Log: b.log, Idle: o.IdleTimeout, Share: o.ShardID != ""}
	return streamBase{sourceBase: b, kinds: o.Selectors, keeper: keeper}
}

// noCertificates is the failure of a stream whose certificate files cannot be read.
func noCertificates(err error) watch.Failure {
	const advice = "cannot read the certificates, waiting for them"
	return watch.Failure{Reason: watch.ReasonCertificateFiles, Advice: advice, Err: err}
}

// intake returns the intake of one stream.
func (s *streamBase) intake(p *watch.Pulse) *Intake {
	return s.env.intake(s.account, intakeOptions{kinds: s.kinds, pulse: p, log: s.log})
}

// maxOrdinalDigits is the longest suffix of a host name that is taken for an ordinal: the random suffix of a
// Deployment's pod has five characters, which may all be digits.
const maxOrdinalDigits = 4

// DeriveName returns the name that the platform gives an instance in its group, and where it was found: the index of
// a Cloud Foundry app (CF_INSTANCE_INDEX), the ordinal in the host name of a StatefulSet's pod (only in Kubernetes,
// since hosts elsewhere may be called web-1 without being such), or the index of the BOSH job (BOSH_INSTANCE_INDEX).
// Both are empty if there is none. getenv is os.Getenv.
func DeriveName(getenv func(string) string, hostname string) (name, from string) {
	if index := getenv("CF_INSTANCE_INDEX"); isOrdinal(index) {
		return index, "CF_INSTANCE_INDEX"
	}
	if getenv("KUBERNETES_SERVICE_HOST") != "" {
		hostname, _, _ = strings.Cut(hostname, ".")
		if i := strings.LastIndexByte(hostname, '-'); i > 0 && isOrdinal(hostname[i+1:]) {
			return hostname[i+1:], "the ordinal in the host name " + hostname
		}
	}
	if index := getenv("BOSH_INSTANCE_INDEX"); isOrdinal(index) {
		return index, "BOSH_INSTANCE_INDEX"
	}
	return "", ""
}

// isOrdinal reports whether a text is a number without sign and leading zeros.
func isOrdinal(s string) bool {
	if s == "" || len(s) > maxOrdinalDigits || s[0] == '0' && len(s) > 1 {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// Deterministic reports whether series are distributed over the readers of the shard by name, so that they move when
// a reader comes or goes. The v1 firehose does not support names.
func (o StreamOptions) Deterministic() bool { return o.ShardID != "" && o.DeterministicName != "" }
