// Package console serves the pages that people look at: what needs attention, what became of every envelope, name and
// rule, and what a change of rules would do. The pages show what web/api answers, rendered on the server; a small
// script keeps the live parts up to date.
package console
