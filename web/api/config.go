package api

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"

	"loggregator_exporter/web/overview"
)

// Config is the settings in force, and the program that they are in force in.
type Config struct {
	// File is the configuration file with its directory, or empty.
	File     string          `json:"file"`
	Settings []Setting       `json:"settings"`
	Reload   overview.Reload `json:"reload"`
	// Pending says what a reload would do now. It is missing where the configuration cannot be loaded anew.
	Pending *Pending `json:"pending,omitempty"`
	Build   Build    `json:"build"`
	// CommandLine is how the program was started, secrets masked, Flags what of it sets a setting.
	CommandLine   []string  `json:"command_line"`
	Flags         []string  `json:"flags"`
	Started       time.Time `json:"started"`
	UptimeSeconds float64   `json:"uptime_seconds"`
}

// Setting is one setting.
type Setting struct {
	// Key is its path in the configuration file.
	Key string `json:"key"`
	// Value and Default are spelled as in the file, in one line. Of a secret Value is (hidden), or empty if not set; of an
	// address users, passwords and queries are left out, and in place of port 0 stands the one that the system has chosen.
	Value   string `json:"value"`
	Default string `json:"default"`
	Secret  bool   `json:"secret"`
	// From is default, derived (from other settings, the host or the platform), platform (what Cloud Foundry tells an
	// app), file, environment or flag. Place is file and line, variable or flag, or what a derived value was made of.
	From  string `json:"from"`
	Place string `json:"place,omitempty"`
	// Overridden are values of the file or the environment that Value overrides, the strongest first.
	Overridden []Overridden `json:"overridden,omitempty"`
	// Reloads says that a reload puts it in force; others need a restart.
	Reloads bool   `json:"reloads"`
	Kind    string `json:"kind"`
	Help    string `json:"help"`
}

// Overridden is a value of a setting that another one overrides; secrets are masked as in Setting.
type Overridden struct {
	// From is file or environment. Place is file and line, or the variable.
	From  string `json:"from"`
	Place string `json:"place"`
	Value string `json:"value"`
}

// Pending is what a reload would do now.
type Pending struct {
	// Error is why it would fail, or empty.
	Error string `json:"error,omitempty"`
	// Reload are the settings that it would change, Restart those that would change only by a restart.
	Reload  []SettingChange `json:"reload"`
	Restart []SettingChange `json:"restart"`
	// RuleFiles are the rule files whose text has changed.
	RuleFiles []string `json:"rule_files"`
}

// SettingChange is a setting with another value in file and environment than in force.
type SettingChange struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	New   string `json:"new"`
}

// Build says what the program was made of.
type Build struct {
	Version   string   `json:"version"`
	Revision  string   `json:"revision"`
	GoVersion string   `json:"go_version"`
	Platform  string   `json:"platform"`
	Modules   []Module `json:"modules"`
}

// Module is a Go module that is part of the program.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

// Config returns the settings in force.
func (a *API) Config(_ context.Context) (*Config, error) {
	c := Config{Settings: []Setting{}, Flags: []string{}, CommandLine: []string{}}
	if a.options.Config != nil {
		c = a.options.Config()
	}
	if a.options.Reload != nil {
		c.Reload = a.options.Reload()
	}
	c.Build = a.build()
	c.Started, c.UptimeSeconds = a.Started().UTC(), time.Since(a.Started()).Seconds()
	return &c, nil
}

func (a *API) build() Build {
	b := Build{
		Version: a.options.Version, Revision: a.options.Revision, GoVersion: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Modules: []Module{},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			b.Modules = append(b.Modules, Module{Path: m.Path, Version: m.Version})
		}
	}
	return b
}
