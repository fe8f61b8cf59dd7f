package config

import "strings"

// EnvPrefix starts the name of every environment variable that the exporter reads.
const EnvPrefix = "LOGGREGATOR_EXPORTER_"

// Kind is the type of a setting's value.
type Kind uint8

// The kinds of settings. Lists of objects can only be set in the file; everything else can be set anywhere.
const (
	KindString Kind = iota
	KindBool
	KindInt
	KindNumber
	KindDuration
	KindEnum     // one of Values
	KindPath     // a file; in the configuration file relative to that file's folder
	KindAddress  // host:port or :port
	KindSecret   // a string that no message shows
	KindStrings  // a list of strings, comma-separated in flags and variables
	KindEnums    // a list of some of Values
	KindPaths    // a list of files
	KindNumbers  // a list of numbers
	KindNameVals // a list of {name, value}
	KindFromTos  // a list of {from, to}
	KindFilters  // a list of {keep: {...}} and {drop: {...}}
)

var kindNames = [...]string{
	"string", "boolean", "integer", "number", "duration", "choice", "file", "address", "secret",
	"list of strings", "list of choices", "list of files", "list of numbers", "list of {name, value}", "list of {from, to}",
	"list of {keep} or {drop}",
}

// String names the kind as the documentation does.
func (k Kind) String() string { return kindNames[k] }

// inFlags says whether flags and variables can express the kind.
func (k Kind) inFlags() bool { return k < KindNameVals }

func (k Kind) isList() bool { return k >= KindStrings && k <= KindNumbers }

// fields are the keys of the objects that the kind lists.
func (k Kind) fields() []string {
	switch k {
	case KindNameVals:
		return []string{"name", "value"}
	case KindFromTos:
		return []string{"from", "to"}
	default:
		return nil
	}
}

// Setting describes one setting.
type Setting struct {
	Key  string // dotted path in the file
	Kind Kind
	// Default has the Go type that Kind decodes to: string, bool, int, float64, time.Duration, []string, []float64 or []any.
	Default any
	// DefaultText replaces the default in the documentation where it depends on other settings.
	DefaultText string
	Values      []string // KindEnum, KindEnums
	Example     string   // a legal value, for error messages
	Help        string
}

// Env is the variable that sets it, or "" where only the file can.
func (s *Setting) Env() string {
	if !s.Kind.inFlags() {
		return ""
	}
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Flag is the name of the flag that sets it, without dashes, or "" where only the file can.
func (s *Setting) Flag() string {
	if !s.Kind.inFlags() {
		return ""
	}
	return s.Key
}
