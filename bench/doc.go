// Package bench measures what the exporter costs, each figure beside its floor or a peer in the same run, since
// machines and their moods differ. It is a module of its own, so that peers stay out of the product's dependencies.
//
//	make bench
package bench
