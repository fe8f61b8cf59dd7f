// Package tagger takes the dimensions out of flat metric names: a name goes in, a base name and tags come out.
//
// What users write (rule files) and what runs (a Tagger) are two things: rules are read strictly, compiled once, and
// then only read. The store calls Apply once a series, never once a sample.
package tagger
