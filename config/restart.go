package config

import (
	"reflect"
	"slices"
	"strings"
)

// Reloads says whether a reload puts the setting in force; all others need a restart.
func (s *Setting) Reloads() bool {
	switch {
	case strings.HasPrefix(s.Key, "metrics.http."), strings.HasPrefix(s.Key, "metrics.compatibility"):
		return false
	default:
		return strings.HasPrefix(s.Key, "tagger.") || strings.HasPrefix(s.Key, "metrics.")
	}
}

// AwaitRestart returns the keys of the settings that loaded has otherwise than running, and that need a restart, in the order of the
// documentation.
func AwaitRestart(running, loaded *Config) []string {
	var keys []string
	settings := Settings()
	for i := range settings {
		s := &settings[i]
		if !s.Reloads() && !reflect.DeepEqual(running.value(s.Key), loaded.value(s.Key)) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// value returns what a key sets, or nil where the struct has no such field, which a test excludes.
func (c *Config) value(key string) any {
	v := reflect.ValueOf(c).Elem()
	for name := range strings.SplitSeq(key, ".") {
		if v = fieldOf(v, name); !v.IsValid() {
			return nil
		}
	}
	return v.Interface()
}

// fieldOf finds a field by the name that mapstructure knows it by.
func fieldOf(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	for i := range v.NumField() {
		tag := strings.Split(v.Type().Field(i).Tag.Get("mapstructure"), ",")
		if tag[0] == name {
			return v.Field(i)
		}
		if slices.Contains(tag[1:], "squash") {
			if inner := fieldOf(v.Field(i), name); inner.IsValid() {
				return inner
			}
		}
	}
	return reflect.Value{}
}
