// Package api answers what the console's pages and the JSON endpoints below /api/v1/ ask: what is not well, which names
// arrive and what becomes of them, which rules take them, what makes most series, and which settings are in force. The
// pages call the methods of API; Handler serves the same values as JSON. docs/api.md describes each of them.
//
// Nothing here changes the exporter, and nothing delays envelopes or scrapes: what is read from the store is copied in
// chunks, computed at most once a second however many ask, and bounded in time, memory and number of requests at once.
//
// Times are in UTC, in RFC 3339 where they are JSON; durations are seconds, sizes bytes, rates a second. A time that is
// not known is left out.
package api
