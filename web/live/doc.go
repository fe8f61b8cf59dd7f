// Package live keeps an index of the raw names that a store holds: for each name its origins, metrics, states and
// number of series. It is kept per name, not per series, and built from a walk through the store, which holds the
// store's lock for some microseconds at a time.
package live
