package exposition

import (
	"fmt"
	"net/netip"
	"sync"
)

// scrapeSlots bounds concurrent scrapes, and gives each peer a share: it may hold no more slots than are then left
// free. So one address holds at most half of the slots, two at most three quarters, and slow readers at a few
// addresses cannot lock out a Prometheus server at another. A peer is an IPv4 address or an IPv6 network of 64 bits.
type scrapeSlots struct {
	total int

	mu    sync.Mutex
	free  int
	taken map[netip.Prefix]int
}

func newScrapeSlots(total int) *scrapeSlots {
	return &scrapeSlots{total: total, free: total, taken: map[netip.Prefix]int{}}
}

// take takes a slot for a peer; release returns it. Without a slot, refusal is the answer to the peer.
func (s *scrapeSlots) take(remote string) (release func(), refusal string) {
	peer := peerOf(remote)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch taken := s.taken[peer]; {
	case s.free == 0:
		return nil, fmt.Sprintf("Limit of concurrent scrapes reached (%d), try again later.", s.total)
	case taken >= s.free:
		return nil, fmt.Sprintf("Limit of concurrent scrapes of one address reached (%d of %d), try again later.",
			taken, s.total)
	}
	s.free--
	s.taken[peer]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free++
		if s.taken[peer]--; s.taken[peer] == 0 {
			delete(s.taken, peer)
		}
	}, ""
}

// peerOf returns the peer of a remote address. Addresses that are not host:port, as those of a Unix socket, are one
// peer.
func peerOf(remote string) netip.Prefix {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := address.Addr().Unmap(), 32
	if ip.Is6() {
		bits = 64
	}
	peer, _ := ip.WithZone("").Prefix(bits) // fails only for other numbers of bits
	return peer
}
