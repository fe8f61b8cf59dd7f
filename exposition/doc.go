// Package exposition writes what the store holds for whoever scrapes it: it negotiates the format and the compression,
// renders families straight from their shared parts into reused buffers, and adds the exporter's own metrics.
//
// A scrape may ask for a part of the page, by the names of families and by selectors.
//
// A format is an encoder and an entry in formats; a compression is an entry in encodings.
package exposition
