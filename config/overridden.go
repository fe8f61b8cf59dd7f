package config

import (
	"os"
	"strconv"
)

// Overridden is a value of a setting that a higher layer overrides.
type Overridden struct {
	// From is file or environment; Place is file and line, or the variable.
	From, Place string
	// Value is spelled as in the file, in one line, with secrets masked.
	Value string
}

// overridden returns the values of a setting that are given, but not in force, the highest layer first.
func (l *loader) overridden(s *Setting) []Overridden {
	var all []Overridden
	inForce := l.given[s.Key].from
	if variable := s.Env(); inForce > fromEnv && variable != "" && os.Getenv(variable) != "" {
		all = append(all, Overridden{layerNames[fromEnv], variable, masked(s, os.Getenv(variable))})
	}
	if value, ok := l.file.values[s.Key].(given); ok && inForce > fromFile {
		place := l.file.path + ":" + strconv.Itoa(l.file.lines[s.Key])
		all = append(all, Overridden{layerNames[fromFile], place, masked(s, plain(value.value))})
	}
	return all
}
