// Package bosh tests the BOSH release in deploy/bosh without a director: its templates are rendered as BOSH renders
// them, what comes out is checked by the exporter itself, its scripts are run, its package is compiled as on a
// compilation VM, and its ops files are applied by the library that the BOSH CLI applies them with.
package bosh
