package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/pflag"
)

const (
	configFlag = "config"
	configEnv  = EnvPrefix + "CONFIG"
)

// Within says whether a key is that of one of some sections or settings, or below one.
func Within(key string, sections []string) bool {
	return slices.ContainsFunc(sections, func(s string) bool { return key == s || strings.HasPrefix(key, s+".") })
}

// AddFlags adds --config and a flag for every setting that flags can express, or for those of some sections or
// settings.
func AddFlags(flags *pflag.FlagSet, sections ...string) {
	flags.StringP(configFlag, "c", "", "Configuration `file` (YAML). Also "+configEnv+".")
	for _, s := range Settings() {
		if !s.Kind.inFlags() || len(sections) > 0 && !Within(s.Key, sections) {
			continue
		}
		v := &flagValue{kind: s.Kind, text: plain(s.Default)}
		f := flags.VarPF(v, s.Flag(), "", unmarked(s.Help))
		f.DefValue = v.text
		if s.DefaultText != "" {
			f.DefValue = ""
			f.Usage += " Default: " + unmarked(s.DefaultText) + "."
		}
		if s.Values != nil {
			f.Usage += " One of " + strings.Join(s.Values, ", ") + "."
		}
		if s.Kind == KindBool {
			f.NoOptDefVal = "true"
		}
	}
}

// SetDefault gives a setting another default in the command that has the flags.
func SetDefault(flags *pflag.FlagSet, key, text string) {
	f := flags.Lookup(key)
	v, ok := f.Value.(*flagValue)
	if !ok {
		panic("no setting: " + key)
	}
	v.text, v.ownDefault, f.DefValue = text, true, text
}

// defaultOf is the default of a setting in the command that has the flag; f may be nil.
func defaultOf(s *Setting, f *pflag.Flag) any {
	if f != nil {
		if v, ok := f.Value.(*flagValue); ok && v.ownDefault {
			if value, problem := s.parseText(f.DefValue); problem == "" {
				return value
			}
		}
	}
	return s.Default
}

// IsSetting reports whether AddFlags added the flag for a setting: commands also have flags that are no settings.
func IsSetting(f *pflag.Flag) bool {
	_, ok := f.Value.(*flagValue)
	return ok
}

var pageLink = regexp.MustCompile(`\[[^]]*\]\(([^)]*)\)`)

// unmarked takes the marks of Markdown out of a text, for the terminal. pflag would also take a word in backquotes
// for the name of the value.
func unmarked(text string) string {
	return strings.ReplaceAll(pageLink.ReplaceAllString(text, "docs/$1"), "`", "")
}

// flagValue keeps the text of a flag as given: values are checked together with those of the file and the environment,
// so that all mistakes are reported at once.
type flagValue struct {
	kind       Kind
	text       string
	set        bool
	ownDefault bool // SetDefault was called
}

func (v *flagValue) String() string { return v.text }

// Set takes the text. A flag of a list may be repeated: its values add up.
func (v *flagValue) Set(text string) error {
	if v.set && v.kind.isList() && v.text != "" {
		text = v.text + "," + text
	}
	v.text, v.set = text, true
	return nil
}

func (v *flagValue) Type() string { return kinds[v.kind].flag }

// plain spells a value as flags, variables and the documentation do.
func plain(value any) string {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, ",")
	case []float64:
		words := make([]string, len(v))
		for i, f := range v {
			words[i] = strconv.FormatFloat(f, 'f', -1, 64)
		}
		return strings.Join(words, ",")
	case []any:
		return ""
	case time.Duration:
		return model.Duration(v).String()
	default:
		return fmt.Sprint(v)
	}
}
