// Package overview finds out how a running exporter fares: what is not well and what to do about it, how its sources
// are, what became of everything received, who scrapes, and the last hour as graphs. It is what the console shows
// first.
package overview
