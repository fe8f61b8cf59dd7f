package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/exporter-toolkit/web"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/filter"
	"loggregator_exporter/tagger"
)

// validator checks what single values cannot show: ranges, spellings, and what must fit together.
type validator struct {
	*loader
	warnings []string
}

func (v *validator) config(cfg *Config) {
	v.nozzle(&cfg.Nozzle)
	v.https(cfg)
	v.files("tagger.rules_files", cfg.Tagger.RulesFiles)
	v.metrics(&cfg.Metrics)
	v.remoteWrite(&cfg.RemoteWrite)
	v.web(&cfg.Web)
}

// check adds a mistake unless ok holds or the key has an error already.
func (v *validator) check(ok bool, path, format string, args ...any) bool {
	key, _, _ := strings.Cut(path, "[")
	if !ok && !v.bad[key] {
		v.fail(path, format, args...)
	}
	return ok
}

func (v *validator) nozzle(n *Nozzle) {
	v.check(n.Stream.ShardID != "", "nozzle.shard_id", "must not be empty: exporters with the same shard id share the stream")
	v.check(len(n.Stream.Selectors) > 0, "nozzle.selectors", "must name at least one kind, for example gauge,counter")
	v.unique("nozzle.selectors", n.Stream.Selectors)
	v.check(n.Stream.IdleTimeout >= 5*time.Second && n.Stream.IdleTimeout <= time.Hour, "nozzle.idle_timeout", "must be 5s to 1h, is %s", n.Stream.IdleTimeout)
	v.check(n.RLP.Enabled || n.Gateway.Enabled || n.Firehose.Enabled || n.UDP.Enabled || n.Ingress.Enabled || n.Replay.Enabled, "nozzle.udp.enabled",
		"no source is enabled: enable one, for example nozzle.udp or nozzle.rlp")
	v.sourceSwitch("nozzle.rlp", n.RLP.Enabled)
	v.sourceSwitch("nozzle.gateway", n.Gateway.Enabled)
	v.sourceSwitch("nozzle.firehose", n.Firehose.Enabled)
	v.sourceSwitch("nozzle.udp", n.UDP.Enabled)
	v.sourceSwitch("nozzle.ingress", n.Ingress.Enabled)
	v.sourceSwitch("nozzle.replay", n.Replay.Enabled)
	if n.RLP.Enabled {
		v.rlp(&n.RLP)
	}
	if n.UDP.Enabled {
		v.address("nozzle.udp.listen_address", n.UDP.ListenAddress, 0)
		v.check(n.UDP.ReceiveBufferBytes >= 1<<16 && n.UDP.ReceiveBufferBytes <= 1<<30, "nozzle.udp.receive_buffer_bytes",
			"must be 65536 to 1073741824, is %d", n.UDP.ReceiveBufferBytes)
	}
	if n.Ingress.Enabled {
		v.ingress(&n.Ingress)
	}
	if n.Replay.Enabled {
		v.replay(&n.Replay)
	}
	v.overlap(n)
	v.filters(n.Stream.Filters)
}

func (v *validator) filters(filters []filter.Options) {
	_, err := filter.New(filters)
	mistakes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		mistakes = joined.Unwrap()
	}
	for _, m := range mistakes {
		if mistake := (*filter.Error)(nil); errors.As(m, &mistake) {
			v.check(false, mistake.Path, "%s", mistake.Problem)
		}
	}
}

// sourceSwitch refuses a source that is configured but was forgotten to be switched on; enabled: false says it is meant.
func (v *validator) sourceSwitch(prefix string, enabled bool) {
	if enabled || v.isSet(prefix+".enabled") {
		return
	}
	for _, key := range v.file.known {
		if strings.HasPrefix(key, prefix+".") && v.file.settings[key] != nil && v.isSet(key) {
			v.fail(key, "has no effect, since %s.enabled is not set: set it to true, or to false if that is meant", prefix)
			return
		}
	}
}

func (v *validator) rlp(o *nozzle.RLPOptions) {
	v.address("nozzle.rlp.address", o.Address, 1)
	v.check(o.ServerName != "", "nozzle.rlp.server_name", "must not be empty: it is the name in the RLP's certificate, usually reverselogproxy")
	v.mutualTLS("nozzle.rlp", &o.TLS)
}

// mutualTLS checks the files of a source that cannot do without them.
func (v *validator) mutualTLS(source string, o *nozzle.TLSOptions) {
	ca := v.needed(source, ".tls.ca_file", o.CAFile)
	cert := v.needed(source, ".tls.cert_file", o.CertFile)
	key := v.needed(source, ".tls.key_file", o.KeyFile)
	if ca != nil {
		v.check(x509.NewCertPool().AppendCertsFromPEM(ca), source+".tls.ca_file",
			"%s holds no certificate in PEM form", o.CAFile)
	}
	if cert != nil && key != nil {
		_, err := tls.X509KeyPair(cert, key)
		v.check(err == nil, source+".tls.cert_file",
			"%s and %s.tls.key_file %s are no certificate and its key in PEM form: %v", o.CertFile, source, o.KeyFile, err)
	}
}

// needed reads a file that a source cannot do without, or adds a mistake and returns nil.
func (v *validator) needed(source, name, file string) []byte {
	key := source + name
	if !v.check(file != "", key, "is needed when %s.enabled is true: %s", source, v.remedy(key)) {
		return nil
	}
	text, err := boundedfile.Read(file, boundedfile.MaxBytes)
	v.check(err == nil, key, "cannot read the file: %v", err)
	return text
}

// remedy says how to set a key.
func (v *validator) remedy(key string) string {
	s := v.file.settings[key]
	return "set it in the file, by " + s.Env() + " or by --" + s.Flag() + v.platform.mendable() + ", for example " + s.Example + v.platform.why(key)
}

// files checks that files can be read; what they hold is their reader's business.
func (v *validator) files(key string, files []string) {
	v.unique(key, files)
	for i, file := range files {
		_, err := boundedfile.Read(file, tagger.MaxFileBytes)
		v.check(err == nil, indexKey(key, i), "cannot read the file: %v", err)
	}
}

func (v *validator) address(key, address string, minPort int) {
	if !v.check(address != "", key, "must not be empty: %s", v.remedy(key)) {
		return
	}
	host, port, err := net.SplitHostPort(address)
	n, numErr := strconv.ParseUint(port, 10, 16)
	good := err == nil && numErr == nil && int(n) >= minPort && !strings.ContainsAny(host, " /") && (minPort == 0 || host != "")
	v.check(good, key, "%s is not host:port, for example %s", quote(address), v.file.settings[key].Example)
}

func (v *validator) metrics(m *Metrics) {
	v.check(m.Namespace == "" || model.LegacyValidation.IsValidLabelName(m.Namespace), "metrics.namespace",
		"%s cannot start a metric name: use letters, digits and _, and no digit first", quote(m.Namespace))
	for _, word := range ownWords {
		v.check(!strings.HasPrefix(strings.Trim(m.Namespace, "_")+"_", word+"_"), "metrics.namespace",
			"%s begins the names of metrics of the exporter itself, so that every other would be refused: choose another one, as in cf", quote(word))
	}
	v.check(m.Expiration > 0, "metrics.expiration", "must be more than 0, is %s", m.Expiration)
	v.check(m.MaxSeries > 0, "metrics.max_series", "must be more than 0, is %d", m.MaxSeries)
	v.check(m.MaxSeriesPerMetric >= 0, "metrics.max_series_per_metric", "must be 0 or more, is %d", m.MaxSeriesPerMetric)
	v.check(m.MaxSeriesPerOwner >= 0, "metrics.max_series_per_owner", "must be 0 or more, is %d", m.MaxSeriesPerOwner)
	v.labels(&m.Labels, m.Environment)
	v.compatibility(m)
	v.buckets("metrics.http.buckets", m.HTTP.Buckets)
	v.buckets("metrics.http.size_buckets", m.HTTP.SizeBuckets)
	v.unique("metrics.http.labels", m.HTTP.Labels)
	for i, name := range m.HTTP.Labels {
		v.label(indexKey("metrics.http.labels", i), name)
	}
}

func (v *validator) labels(l *Labels, environment string) {
	const add, drop, rename = "metrics.labels.add", "metrics.labels.drop", "metrics.labels.rename"
	taken := map[string]string{} // label names that are set, and by what
	if environment != "" {
		taken["environment"] = "metrics.environment"
	}
	for i, a := range l.Add {
		at := indexKey(add, i)
		v.newLabel(at+".name", a.Name, taken)
		v.check(a.Value != "", at+".value", "must not be empty: a label without a value is no label")
	}
	v.unique(drop, l.Drop)
	for i, name := range l.Drop {
		v.check(name != "", indexKey(drop, i), "must not be empty")
	}
	from := map[string]bool{}
	for i, r := range l.Rename {
		at := indexKey(rename, i)
		v.check(r.From != "", at+".from", "must not be empty")
		v.check(r.From != r.To, at, "renames %s to itself", quote(r.From))
		v.check(r.From == "" || !from[r.From], at+".from", "%s is renamed twice", quote(r.From))
		v.check(r.From == "" || !slices.Contains(l.Drop, r.From), at+".from", "%s is dropped by %s and renamed as well: do one of the two", quote(r.From), drop)
		from[r.From] = true
		v.newLabel(at+".to", r.To, taken)
	}
}

// newLabel checks a label that the user makes.
func (v *validator) newLabel(path, name string, taken map[string]string) {
	if !v.label(path, name) {
		return
	}
	v.check(taken[name] == "", path, "the label %s is already set by %s", name, taken[name])
	taken[name] = path
	if name == "job" || name == "instance" {
		v.warnings = append(v.warnings, v.where(path)+": Prometheus sets the label "+name+" itself and will rename this one to exported_"+name)
	}
}

func (v *validator) label(path, name string) bool {
	return v.check(model.LegacyValidation.IsValidLabelName(name) && !strings.HasPrefix(name, "__"), path,
		"%s is no legal label name: use letters, digits and _, no digit first, and not __ at the start", quote(name)) &&
		v.check(name != model.BucketLabel && name != model.QuantileLabel, path, "the label %s belongs to histograms and summaries: choose another", name)
}

// maxBuckets bounds what every HTTP series costs.
const maxBuckets = 100

func (v *validator) buckets(key string, bounds []float64) {
	if !v.check(len(bounds) > 0 && len(bounds) <= maxBuckets, key, "must hold 1 to %d bounds, holds %d", maxBuckets, len(bounds)) {
		return
	}
	for i, b := range bounds {
		if !v.check(!math.IsNaN(b) && !math.IsInf(b, 0), key, "%v is no bound: the bucket +Inf is always there, and need not be named", b) {
			return
		}
		if i > 0 && !v.check(b > bounds[i-1], key, "bounds must ascend, but %v follows %v", b, bounds[i-1]) {
			return
		}
	}
}

func (v *validator) unique(key string, items []string) {
	for i, item := range items {
		v.check(!slices.Contains(items[:i], item), indexKey(key, i), "%s stands twice", quote(item))
	}
}

func (v *validator) web(w *Web) {
	const key = "web.telemetry_path"
	v.address("web.listen_address", w.ListenAddress, 0)
	p := w.TelemetryPath
	good := strings.HasPrefix(p, "/") && p != "/" && path.Clean(p) == p && !strings.ContainsAny(p, "?#{}% \"<>&")
	if v.check(good, key, "%s is not a path for metrics: use / and a name without special characters, as in /metrics", quote(p)) {
		for _, own := range []string{"/-", "/debug", "/api/v1"} {
			v.check(p != own && !strings.HasPrefix(p, own+"/"), key, "%s collides with the exporter's own paths below %s/: use /metrics", quote(p), own)
		}
	}
	if w.ConfigFile != "" {
		_, err := boundedfile.Read(w.ConfigFile, boundedfile.MaxBytes) // Validate would wait for a named pipe
		if err == nil {
			err = web.Validate(w.ConfigFile)
		}
		remedy := ""
		if err != nil && strings.Contains(err.Error(), "bcrypt") {
			remedy = `: basic_auth_users holds bcrypt hashes, as htpasswd -nBC 10 "" prints them`
		}
		v.check(err == nil, "web.config_file", "%s: %s%s", w.ConfigFile, withoutValues(err), remedy)
	}
}
