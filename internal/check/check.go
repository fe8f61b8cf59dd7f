// Package check finds mistakes in options. Each type of options that the configuration fills has a method Check,
// which is called once, after the settings are read. It names settings by their keys within a section; the mistakes
// that are reported name the place of the value: file and line, variable or flag.
package check

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/metric"
)

// Settings knows where values came from, and how they can be set. A path is the key of a setting, or a part of its
// value, such as metrics.labels.add[0].name.
type Settings interface {
	// Report takes a mistake. One in a setting whose value could not be read is left out: it has its mistake already.
	Report(path, problem string)
	Warn(path, text string)
	// IsSet says whether anything but a default decides the setting.
	IsSet(key string) bool
	// IsUnreadable says whether the setting has a value that could not be read.
	IsUnreadable(key string) bool
	// FirstSet is the first key of a section that is set, or "".
	FirstSet(section string) string
	// Remedy says how to set a key.
	Remedy(key string) string
	// Example is a value that the setting may have.
	Example(key string) string
}

// Section is a section of the settings whose options are checked, such as nozzle.rlp.
type Section struct {
	settings Settings
	name     string
}

// NewSection returns the section of a name.
func NewSection(settings Settings, name string) Section { return Section{settings, name} }

// Section returns a section within this one.
func (s Section) Section(name string) Section { return Section{s.settings, s.Key(name)} }

// Name is the section's key.
func (s Section) Name() string { return s.name }

// Key is the whole key of a setting of the section.
func (s Section) Key(name string) string { return s.name + "." + name }

// Item is the path of an item of a list.
func Item(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// IsSet asks the settings.
func (s Section) IsSet(name string) bool { return s.settings.IsSet(s.Key(name)) }

// IsUnreadable asks the settings.
func (s Section) IsUnreadable(name string) bool { return s.settings.IsUnreadable(s.Key(name)) }

// Remedy asks the settings.
func (s Section) Remedy(name string) string { return s.settings.Remedy(s.Key(name)) }

// That reports a mistake unless ok holds, and returns ok.
func (s Section) That(ok bool, name, format string, args ...any) bool {
	if !ok {
		s.settings.Report(s.Key(name), fmt.Sprintf(format, args...))
	}
	return ok
}

// Warn reports a setting that is valid but probably not meant.
func (s Section) Warn(name, format string, args ...any) {
	s.settings.Warn(s.Key(name), fmt.Sprintf(format, args...))
}

// NotEmpty checks that a setting has a value.
func (s Section) NotEmpty(name, value string) bool {
	return s.That(value != "", name, "must not be empty: %s", s.Remedy(name))
}

// Needed checks that a setting has a value, in a section that is switched on.
func (s Section) Needed(name, value string) bool {
	return s.That(value != "", name, "is needed when %s is true: %s", s.Key("enabled"), s.Remedy(name))
}

// NeededBeside checks that a setting has a value where another one has.
func (s Section) NeededBeside(name, value, other, otherValue string) bool {
	return s.That(otherValue == "" || value != "", name, "is needed since %s is set: %s", s.Key(other), s.Remedy(name))
}

// Switch refuses a section with settings but without its enabled: it was probably forgotten. With enabled: false the
// section is off on purpose.
func (s Section) Switch(enabled bool) {
	if enabled || s.IsSet("enabled") {
		return
	}
	if key := s.settings.FirstSet(s.name); key != "" {
		s.settings.Report(key,
			"has no effect, since "+s.Key("enabled")+" is not set: set it to true, or to false if that is meant")
	}
}

// Unique checks that no item of a list stands in it twice.
func (s Section) Unique(name string, items []string) {
	for i, item := range items {
		s.That(!slices.Contains(items[:i], item), Item(name, i), "%s stands twice", Quote(item))
	}
}

// Label checks the name of a label that a user gives to series.
func (s Section) Label(name, label string) bool {
	return s.That(metric.LegalLabel(label) == label, name,
		"%s is no legal label name: use letters, digits and _, no digit first, and not __ at the start", Quote(label)) &&
		s.That(label != model.BucketLabel && label != model.QuantileLabel, name,
			"the label %s belongs to histograms and summaries: choose another", label)
}

// Address checks a host and port, of which the host may be missing if minPort is 0.
func (s Section) Address(name, address string, minPort int) {
	if !s.NotEmpty(name, address) {
		return
	}
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	good := err == nil && portErr == nil && int(n) >= minPort && !strings.ContainsAny(host, " /") &&
		(minPort == 0 || host != "")
	s.That(good, name, "%s is not host:port, for example %s", Quote(address), s.settings.Example(s.Key(name)))
}

// URL checks an address of scheme, host and perhaps port. It may hold a password, so it is not shown.
func (s Section) URL(name, address, scheme string) {
	if !s.NotEmpty(name, address) {
		return
	}
	u, err := url.Parse(address)
	good := err == nil && u.Scheme == scheme && u.Hostname() != "" && u.User == nil && strings.Trim(u.Path, "/") == "" &&
		u.RawQuery == "" && u.Fragment == ""
	s.That(good, name, "is not %s://host or %s://host:port, for example %s", scheme, scheme,
		s.settings.Example(s.Key(name)))
}

// EndpointURL checks a URL of a web server, which is not shown either. No address is no mistake.
func (s Section) EndpointURL(name, address string) {
	u, err := url.Parse(address)
	good := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Fragment == ""
	s.That(address == "" || good, name, "is no URL of a web server, for example %s", s.settings.Example(s.Key(name)))
}

// File reads a file that a setting names. It returns nil where there is none, or none that can be read.
func (s Section) File(name, file string) []byte { return s.FileOf(name, file, boundedfile.MaxBytes) }

// FileOf is File with a bound of its size.
func (s Section) FileOf(name, file string, maxBytes int64) []byte {
	if file == "" {
		return nil
	}
	text, err := boundedfile.Read(file, maxBytes)
	s.That(err == nil, name, "cannot read the file: %v", err)
	return text
}

// Authorities checks a file of CA certificates. No file is no mistake.
func (s Section) Authorities(name, file string) {
	if text := s.File(name, file); text != nil {
		s.That(x509.NewCertPool().AppendCertsFromPEM(text), name, "%s holds no certificate in PEM form", file)
	}
}

// KeyPair checks a certificate and its key. No files are no mistake.
func (s Section) KeyPair(certName, certFile, keyName, keyFile string) {
	cert, key := s.File(certName, certFile), s.File(keyName, keyFile)
	if cert == nil || key == nil {
		return
	}
	_, err := tls.X509KeyPair(cert, key)
	s.That(err == nil, certName, "%s and %s %s are no certificate and its key in PEM form: %v",
		certFile, s.Key(keyName), keyFile, err)
}

// Quote shows a value in a message, cut where it is long.
func Quote(value string) string { return strconv.Quote(Shorten(value)) }

// Shorten cuts a text to what a line of a message can hold.
func Shorten(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
