// Package console looks at the exporter's console with a real browser.
package console
