package api

import (
	"context"
	"time"
)

// State is what becomes of a raw name.
type State string

// The states. A name of which several hold has the first of them.
const (
	StateConflict State = "conflict" // some of its samples belong to the series, or the family, of another name
	StateRefused  State = "refused"  // some of its samples are refused by a limit, or are invalid
	StateDropped  State = "dropped"  // a rule drops it
	StateUntagged State = "untagged" // exposed, but no rule matches and the quarantine finds nothing
	StateTagged   State = "tagged"   // exposed, with the tags of a rule
)

// states lists all.
var states = [...]State{StateConflict, StateRefused, StateDropped, StateUntagged, StateTagged}

// nameOrders are what names can be sorted by.
var nameOrders = map[string]bool{
	"name": true, "origin": true, "kind": true, "unit": true, "metric": true, "series": true, "last_seen": true,
	"state": true,
}

// NamesQuery says which raw names to list.
type NamesQuery struct {
	// Search keeps names of which the name, an origin or a metric contains all of its words, whatever their case.
	Search string
	// State, Metric and Rule keep the names with that state, that lead to that metric, that a rule with that id takes.
	State  State
	Metric string
	Rule   string
	// Owner keeps the names of that owner; see OwnerSize.
	Owner string
	// Sort is name, origin, kind, unit, metric, series, last_seen or state; the default is name. Ties are in the order of
	// names.
	Sort       string
	Descending bool
	// Limit is the number of names of a page, 1 to 1000; 0 is 100.
	Limit int
	// Cursor is NamesPage.Next of the page before; empty for the first page.
	Cursor string
}

// NamesPage is a page of the list of raw names.
type NamesPage struct {
	// Time is when the names were read from the store.
	Time  time.Time `json:"time"`
	Names []Name    `json:"names"`
	// Total is how many names the query finds, All how many there are.
	Total int `json:"total"`
	All   int `json:"all"`
	// States counts the names by state that the query would find without its own state.
	States map[State]int `json:"states"`
	// Next is the cursor of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

// Name is one raw name of one kind and unit, as components emit it.
type Name struct {
	Name string `json:"name"`
	// Kind is gauge, counter, timer, histogram or summary.
	Kind string `json:"kind"`
	Unit string `json:"unit"`
	// Origins are the first 8 origins, or source ids where there is none, that emit it; OriginCount is the number of all.
	Origins     []string `json:"origins"`
	OriginCount int      `json:"origin_count"`
	// Metrics are the first 8 metrics that it leads to, or would; MetricCount is the number of all.
	Metrics     []string `json:"metrics"`
	MetricCount int      `json:"metric_count"`
	// Rule is the id of the last rule that matched, or empty.
	Rule string `json:"rule"`
	// Series is how many it has; Refused how many identities have none, for whatever reason.
	Series  int `json:"series"`
	Refused int `json:"refused"`
	// LastSeen is when the last sample arrived.
	LastSeen time.Time `json:"last_seen,omitzero"`
	State    State     `json:"state"`
	// Reason says why it is refused or in conflict.
	Reason string `json:"reason,omitempty"`
}

// Names lists raw names, as they were at most some seconds ago.
func (a *API) Names(_ context.Context, _ NamesQuery) (*NamesPage, error) {
	return &NamesPage{Names: []Name{}, States: map[State]int{}}, nil
}
