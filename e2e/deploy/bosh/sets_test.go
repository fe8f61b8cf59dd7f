package bosh

import "maps"

// set is one way to configure a job.
type set struct {
	name       string
	job        string
	properties map[string]any
	link       map[string]any
	sources    string         // what `exporter check` says they are
	config     map[string]any // of exporter.yml, by key; nil: the key is not there
	env        map[string]string
	port       string // that the forwarder agent is to find in ingress_port.yml; empty: there is no such file
	protocol   string // that stands beside it
	wrong      string // what rendering says is wrong
	refused    string // what `exporter check` says is wrong, in pre-start
}

// bcrypt is the hash of "secret".
const bcrypt = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"

// tree makes nested properties of dotted names, as manifests have them.
func tree(parts ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, part := range parts {
		for name, value := range part {
			node := all
			for {
				head, rest, found := cut(name)
				if !found {
					node[head] = value
					break
				}
				next, ok := node[head].(map[string]any)
				if !ok {
					next = map[string]any{}
					node[head] = next
				}
				node, name = next, rest
			}
		}
	}
	return all
}

func cut(name string) (head, rest string, found bool) {
	for i := range name {
		if name[i] == '.' {
			return name[:i], name[i+1:], true
		}
	}
	return name, "", false
}

// dots makes a map of dotted names to values, with others added or, as nil, taken out.
func dots(base map[string]any, more map[string]any) map[string]any {
	all := maps.Clone(base)
	for name, value := range more {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

// rlpLink is what reverse_log_proxy of loggregator-release provides.
var rlpLink = map[string]any{
	"address":    "q-s3.log-api.default.cf.bosh",
	"properties": map[string]any{"reverse_log_proxy": map[string]any{"egress": map[string]any{"port": 8082}}},
	"instances":  []any{map[string]any{"address": "10.0.16.20", "index": 0}},
}
