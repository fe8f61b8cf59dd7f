package store_test

import (
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
)

// The store's own tests use the real resolver, which their package cannot import.
var _ = func() bool {
	store.NewTestResolver = func(s *store.Settings) store.Resolver {
		return resolver.New(resolver.Options{
			Tagger: s.Tagger, Naming: s.Naming, Environment: s.Environment,
			Labels: resolver.LabelOptions{Add: s.AddLabels, Drop: s.DropLabels, Rename: renames(s.RenameLabels)},
			HTTP:   resolver.HTTPOptions{Buckets: s.Buckets, SizeBuckets: s.SizeBuckets, Labels: s.TimerLabels},
		})
	}
	return true
}()

func renames(pairs [][2]string) (out []resolver.Rename) {
	for _, p := range pairs {
		out = append(out, resolver.Rename{From: p[0], To: p[1]})
	}
	return out
}
