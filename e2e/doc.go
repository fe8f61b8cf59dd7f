// Package e2e checks the exporter against the real programs that its users run beside it. It is a module of its own,
// so that they stay out of the product's dependencies.
package e2e
