// Package container holds the Containerfile to what BuildKit thinks of it, runs its build, and runs what was built
// as an engine would.
package container
