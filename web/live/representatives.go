package live

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// Representative is one of the senders of a name, and how many identities it stands for.
type Representative struct {
	Name, Unit string
	Kind       metric.Kind
	Part       metric.Type // as Name.Part
	Sender     store.Sender
	Identities int
}

// sendersEach is how many senders stand for those of one name whose origins differ in numbers only. With one of them it
// could not be seen that a change makes one series of several.
const sendersEach = 3

// Representatives returns some senders of each name: enough to see what a change of rules does, and far fewer than
// there are identities. Names have the same senders as far as possible, so that conflicts between names are seen as
// well. At most limit are returned; complete is false where there are more.
func Representatives(
	ctx context.Context, s *store.Store, limit int,
) (list []Representative, complete bool, err error) {
	groups := map[groupKey]int{}
	var found []group
	complete = true
	var shape []byte
	s.Walk(func(chunk []store.Visited) bool {
		for i := range chunk {
			v := &chunk[i]
			if v.Composite {
				continue
			}
			shape = appendShape(shape[:0], OriginOf(v.Sender))
			key := groupKey{rowKey{v.Name, v.Unit, v.Kind}, v.Part, string(shape)}
			at, ok := groups[key]
			if !ok {
				if len(found)*sendersEach >= limit {
					complete = false
					continue
				}
				at = len(found)
				groups[key] = at
				found = append(found, group{rowKey: key.rowKey, part: v.Part})
			}
			found[at].add(v)
		}
		return ctx.Err() == nil
	})
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	for i := range found {
		list = found[i].appendTo(list)
	}
	return list, complete, nil
}

type rowKey struct {
	name, unit string
	kind       metric.Kind
}

// groupKey is what the senders of a group have in common.
type groupKey struct {
	rowKey

	part  metric.Type
	shape string // of the origin
}

type group struct {
	rowKey

	part       metric.Type
	identities int
	positions  []uint32 // of the senders, ascending
	senders    []store.Sender
}

// add counts an identity, and keeps its sender if it is one of the first.
func (g *group) add(v *store.Visited) {
	g.identities++
	at, known := slices.BinarySearch(g.positions, v.TagsPos)
	if known || at == sendersEach {
		return
	}
	g.positions = slices.Insert(g.positions, at, v.TagsPos)
	g.senders = slices.Insert(g.senders, at, v.Sender)
	if len(g.positions) > sendersEach {
		g.positions, g.senders = g.positions[:sendersEach], g.senders[:sendersEach]
	}
}

// appendTo divides the identities among the senders.
func (g *group) appendTo(list []Representative) []Representative {
	left := g.identities
	for i, sender := range g.senders {
		share := left / (len(g.senders) - i)
		left -= share
		list = append(list, Representative{
			Name: g.name, Unit: g.unit, Kind: g.kind, Part: g.part, Sender: sender, Identities: cmp.Or(share, 1),
		})
	}
	return list
}

// appendShape appends an origin with one # for each number in it.
func appendShape(dst []byte, origin string) []byte {
	for i := range len(origin) {
		switch c := origin[i]; {
		case c < '0' || c > '9':
			dst = append(dst, c)
		case len(dst) == 0 || dst[len(dst)-1] != '#':
			dst = append(dst, '#')
		}
	}
	return dst
}

// Compare orders by name, kind and unit.
func (r *Representative) Compare(with *Representative) int {
	return cmp.Or(strings.Compare(r.Name, with.Name), cmp.Compare(r.Kind, with.Kind), strings.Compare(r.Unit, with.Unit))
}

// Ruled returns the identity that rules see, as Name.Ruled does.
func (r *Representative) Ruled() store.Identity { return r.Sender.Whole(r.Name, r.Unit, r.Part) }

// Identity returns the identity that it stands for.
func (r *Representative) Identity() store.Identity { return r.Sender.Identity(r.Name, r.Unit) }
