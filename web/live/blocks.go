package live

// blocks keeps sets of texts that are small, but whose number and sizes are not known before, in a few large pieces of
// memory. The set 0 is empty; the others are lists of blocks, of which each fills one line of the processor's cache.
type blocks struct {
	pieces []*[blocksPiece]block
	used   uint32
}

type block struct {
	texts [15]uint32 // positions, one more than they are
	next  uint32     // number of the block, from 1
}

const blocksPiece = 256

// include adds a text to a set that has fewer than most.
func (b *blocks) include(set *uint32, text uint32, most int) {
	for at := set; ; {
		if *at == 0 {
			*at = b.add()
		}
		of := b.at(*at)
		for i := range of.texts {
			switch {
			case of.texts[i] == text || most == 0:
				return
			case of.texts[i] == 0:
				of.texts[i] = text
				return
			}
			most--
		}
		at = &of.next
	}
}

func (b *blocks) add() (number uint32) {
	if b.used%blocksPiece == 0 {
		b.pieces = append(b.pieces, new([blocksPiece]block))
	}
	b.used++
	return b.used
}

func (b *blocks) at(number uint32) *block {
	return &b.pieces[(number-1)/blocksPiece][(number-1)%blocksPiece]
}

// appendTo appends the positions of a set.
func (b *blocks) appendTo(dst []uint32, set uint32) []uint32 {
	for set != 0 {
		of := b.at(set)
		for _, text := range of.texts {
			if text == 0 {
				break
			}
			dst = append(dst, text-1)
		}
		set = of.next
	}
	return dst
}
