// Package config reads the settings of the exporter: defaults, what Cloud Foundry tells an app, one YAML file, the
// environment and command-line flags, later ones winning over earlier ones.
//
// Everything about a setting stands in one table (Settings): its key, type, default and description. The flags, the
// variables, the checks of the file and docs/configuration.md come from it, so none of them can lag behind. Reading
// is strict and complete: every mistake is reported, each with its place and how to mend it.
package config
