package resolver

// Explanation is what a name becomes, as exporter explain and the API write it.
type Explanation struct {
	Origin  string            `json:"origin"`
	RawName string            `json:"raw_name"`
	Base    string            `json:"base_name"`
	Tags    map[string]string `json:"tags"` // what came from the name
	Metric  string            `json:"metric"`
	Labels  map[string]string `json:"labels"`
	Kind    string            `json:"kind"`
	Unit    string            `json:"unit"`
	Help    string            `json:"help"`
	Rule    string            `json:"rule"` // the id of the last rule that matched, or empty
	Dropped bool              `json:"dropped,omitempty"`
}

// Explanation returns the resolution of a name of an origin.
func (r *Resolution) Explanation(origin, name string) Explanation {
	out := Explanation{
		Origin: origin, RawName: name, Base: r.Rules.Base, Metric: r.Metric, Kind: r.Rules.Kind.String(),
		Unit: r.Rules.Unit, Help: r.Help, Rule: r.Rules.Rule, Dropped: r.Dropped,
		Tags: map[string]string{}, Labels: map[string]string{},
	}
	for _, t := range r.Rules.Tags {
		out.Tags[t.Name] = t.Value
	}
	for _, l := range r.Labels {
		out.Labels[l.Name] = l.Value
	}
	return out
}
