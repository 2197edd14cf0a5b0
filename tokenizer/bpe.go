package tokenizer

import (
	"fmt"
	"strings"
	"sync"

	sugar "github.com/sugarme/tokenizer"
	"github.com/sugarme/tokenizer/model/bpe"
)

// dropped stands for a word that the model has no token for: Hugging Face returns nothing, sugarme needs one
// token a word. Encode leaves it out.
const dropped = -1

// maxCachedWord is the longest word kept in the cache, in bytes; with bpe.DefaultCacheCapacity words it bounds
// the cache to a few megabytes.
const maxCachedWord = 64

type tokenKind uint8

const (
	absent  tokenKind = iota // no token has this id
	normal                   // of the model's vocabulary
	added                    // of added_tokens
	special                  // of added_tokens, special
)

// model is sugarme's BPE (its vocabulary, merges and cache) with Hugging Face's rules for what is not in the
// vocabulary, and a merge loop that is n·log n and takes the leftmost of equal ranks.
// It implements sugarme's Model.
type model struct {
	bpe.BPE
	text []string    // token of an id, as the file writes it
	kind []tokenKind // of an id; same length

	ignoreMerges bool // a word that is in the vocabulary is one token, whatever the merges say
	byteFallback bool // an unknown character becomes tokens <0x00>…<0xFF>
	fuseUnknown  bool // neighbouring unknown characters become one unknown token
	unknown      int  // id of the unknown token, −1 without one
	byteID       [256]int

	work sync.Pool // *mergeWork
}

var _ sugar.Model = (*model)(nil)

// findByteTokens fills byteID.
func (m *model) findByteTokens() {
	for b := range m.byteID {
		m.byteID[b] = -1
		if id, ok := (*m.Vocab)[fmt.Sprintf("<0x%02X>", b)]; ok {
			m.byteID[b] = id
		}
	}
}

// IdToToken implements sugarme's Model.
func (m *model) IdToToken(id int) (string, bool) {
	if id < 0 || id >= len(m.kind) || m.kind[id] == absent {
		return "", false
	}
	return m.text[id], true
}

// Tokenize implements sugarme's Model: it merges one word.
func (m *model) Tokenize(word string) ([]sugar.Token, error) {
	if m.ignoreMerges {
		if id, ok := (*m.Vocab)[word]; ok {
			return []sugar.Token{{Id: id, Value: word, Offsets: noOffsets}}, nil
		}
	}
	if w, ok := m.Cache.Get(word); ok {
		return m.tokens(w.Symbols), nil
	}
	work, _ := m.work.Get().(*mergeWork)
	if work == nil {
		work = &mergeWork{}
	}
	m.symbols(work, word)
	m.merge(work)
	tokens := m.tokens(work.symbols)
	if len(word) <= maxCachedWord {
		kept := make(bpe.Symbols, len(work.symbols))
		copy(kept, work.symbols)
		// The word is cut from a text that must not live as long as the cache.
		m.Cache.SetValues([]bpe.CacheItem{{Key: strings.Clone(word), Value: bpe.Word{Symbols: kept}}})
	}
	m.work.Put(work)
	return tokens, nil
}

func (m *model) tokens(symbols bpe.Symbols) []sugar.Token {
	if len(symbols) == 0 {
		return []sugar.Token{{Id: dropped, Offsets: noOffsets}}
	}
	tokens := make([]sugar.Token, len(symbols))
	for i, s := range symbols {
		tokens[i] = sugar.Token{Id: s.C, Value: m.text[s.C], Offsets: noOffsets}
	}
	return tokens
}

// mergeWork is the memory of one merge, kept between words.
type mergeWork struct {
	symbols bpe.Symbols
	queue   []candidate
	taken   int // candidates taken off the queue: the work of a merge
}

// A candidate is a pair of neighbours that may merge.
type candidate struct {
	rank, pos, id int // id: of the merged token; pos: index of the left symbol
}

func (a candidate) before(b candidate) bool {
	return a.rank < b.rank || a.rank == b.rank && a.pos < b.pos
}

// symbols cuts word into characters.
func (m *model) symbols(w *mergeWork, word string) {
	w.symbols = w.symbols[:0]
	add := func(id, size int) {
		i := len(w.symbols)
		w.symbols = append(w.symbols, bpe.Symbol{C: id, Prev: i - 1, Next: i + 1, Len: size})
	}
	pending := 0 // bytes of the unknown token not yet added
	flush := func() {
		if pending > 0 {
			add(m.unknown, pending)
			pending = 0
		}
	}
	for i := 0; i < len(word); {
		n, _ := utf8Part(word[i:])
		char := word[i : i+n]
		i += n
		if id, ok := (*m.Vocab)[char]; ok {
			flush()
			add(id, n)
			continue
		}
		if m.byteFallback && m.hasBytes(char) {
			// As in Hugging Face, an unknown token that waits is added after these.
			for k := range n {
				add(m.byteID[char[k]], 1)
			}
			continue
		}
		if m.unknown >= 0 {
			if !m.fuseUnknown {
				flush()
			}
			pending += n
		}
	}
	flush()
	if n := len(w.symbols); n > 0 {
		w.symbols[n-1].Next = -1
	}
}

func (m *model) hasBytes(char string) bool {
	for k := range len(char) {
		if m.byteID[char[k]] < 0 {
			return false
		}
	}
	return true
}

// merge applies the merges to the symbols: the lowest rank first, of equal ranks the leftmost.
func (m *model) merge(w *mergeWork) {
	symbols, merges := w.symbols, *m.Merges
	w.queue = w.queue[:0]
	offer := func(pos int) {
		next := symbols[pos].Next
		if next < 0 {
			return
		}
		if v, ok := merges[bpe.Pair{C1: symbols[pos].C, C2: symbols[next].C}]; ok {
			w.push(candidate{v.Rank, pos, v.NewId})
		}
	}
	for pos := range symbols {
		offer(pos)
	}
	for len(w.queue) > 0 {
		c := w.pop()
		w.taken++
		left := &symbols[c.pos]
		if left.Len == 0 || left.Next < 0 {
			continue
		}
		right := &symbols[left.Next]
		// A candidate is stale when one of its two has merged since.
		if v, ok := merges[bpe.Pair{C1: left.C, C2: right.C}]; !ok || v.NewId != c.id {
			continue
		}
		left.MergeWith(right, c.id)
		right.Len = 0
		if left.Next >= 0 {
			symbols[left.Next].Prev = c.pos
		}
		if left.Prev >= 0 {
			offer(left.Prev)
		}
		offer(c.pos)
	}
	kept := symbols[:0]
	for _, s := range symbols {
		if s.Len > 0 {
			kept = append(kept, s)
		}
	}
	w.symbols = kept
}

// push and pop keep queue a binary heap (container/heap allocates for each element).
func (w *mergeWork) push(c candidate) {
	q := append(w.queue, c)
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !c.before(q[parent]) {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = c
	w.queue = q
}

func (w *mergeWork) pop() candidate {
	q := w.queue
	top, last := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(q) {
			if len(q) > 0 {
				q[i] = last
			}
			break
		}
		if child+1 < len(q) && q[child+1].before(q[child]) {
			child++
		}
		if !q[child].before(last) {
			q[i] = last
			break
		}
		q[i] = q[child]
		i = child
	}
	w.queue = q
	return top
}
