//go:build !linux

package main

// unmapProgram does nothing on other systems.
func unmapProgram() {}

// widenHeap does nothing either.
func widenHeap() {}
