// Package peers measures the exporter beside what a user would run in its place, each as a process of its own that
// gets the same metrics in the same run. It is a module of its own, since these programs have many dependencies.
package peers
