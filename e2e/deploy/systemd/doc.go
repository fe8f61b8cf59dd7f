// Package systemd holds the units to systemd's own checks, and runs what their README tells to run.
package systemd
