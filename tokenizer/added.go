package tokenizer

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An addedToken is one entry of tokenizer.json's added_tokens: a text that becomes one id wherever it stands.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only where no word character touches it
	LStrip     bool   `json:"lstrip"`      // takes the white space before it
	RStrip     bool   `json:"rstrip"`      // takes the white space after it
	Normalized bool   `json:"normalized"`  // looked for in the normalized text, and not in the text as given
	Special    bool   `json:"special"`
}

// mostContent bounds an added token, in bytes: the time of a text is its length times this at the worst.
const mostContent = 256

// A matcher finds added tokens, the leftmost first and the longest of those that begin there. It is a tree of bytes.
type matcher struct {
	first  [256]bool        // whether a token begins with the byte
	next   map[edge]int32   // the node that a byte leads to
	tokens map[int32]wanted // what ends at a node
}

// An edge leaves a node by a byte. The root is node 0.
type edge struct {
	node int32
	by   byte
}

type wanted struct {
	size  int // of the text that was looked for
	token addedToken
}

// newMatcher looks for each token's content, as normalize leaves it where normalize is not nil. Of two tokens
// with one text the first of tokens wins.
func newMatcher(tokens []addedToken, normalize normalizer) (*matcher, error) {
	m := &matcher{next: map[edge]int32{}, tokens: map[int32]wanted{}}
	for _, t := range tokens {
		text := t.Content
		if normalize != nil {
			var err error
			if text, err = normalize(text, growthOf(text)); err != nil {
				return nil, fmt.Errorf("added token %q: %w", shortened(t.Content), err)
			}
		}
		if len(text) > mostContent {
			return nil, fmt.Errorf("added token %q has %d bytes, want %d at most", shortened(t.Content), len(text), mostContent)
		}
		if text == "" {
			continue
		}
		m.first[text[0]] = true
		node := int32(0)
		for i := range len(text) {
			e := edge{node, text[i]}
			to, ok := m.next[e]
			if !ok {
				to = int32(len(m.next)) + 1
				m.next[e] = to
			}
			node = to
		}
		if _, ok := m.tokens[node]; !ok {
			m.tokens[node] = wanted{len(text), t}
		}
	}
	return m, nil
}

// find returns the first match in s at or after from.
func (m *matcher) find(s string, from int) (start int, found wanted, ok bool) {
	for i := from; i < len(s); i++ {
		if !m.first[s[i]] {
			continue
		}
		node := int32(0)
		for k := i; k < len(s); k++ {
			to, more := m.next[edge{node, s[k]}]
			if !more {
				break
			}
			node = to
			if w, ends := m.tokens[node]; ends {
				found, ok = w, true
			}
		}
		if ok {
			return i, found, true
		}
	}
	return len(s), wanted{}, false
}

// A part of a text is an added token (id ≥ 0) or the text between two (id −1).
type part struct {
	text string
	id   int
}

// split appends the parts of s to parts.
func (m *matcher) split(parts []part, s string) []part {
	if len(m.tokens) == 0 {
		return append(parts, part{s, -1})
	}
	done := 0  // s[:done] is in parts
	blank := 0 // the end of the white space that was last measured
	for from := 0; ; {
		start, w, ok := m.find(s, from)
		if !ok {
			break
		}
		end := start + w.size
		from = end
		if w.token.SingleWord && (endsInWord(s[:start]) || beginsWithWord(s[end:])) {
			continue
		}
		if w.token.LStrip && start > done {
			// White space that a token before took (rstrip) stays with it.
			start = done + len(strings.TrimRightFunc(s[done:start], unicode.IsSpace))
		}
		if w.token.RStrip {
			if end >= blank {
				blank = len(s) - len(strings.TrimLeftFunc(s[end:], unicode.IsSpace))
			}
			end = blank
		}
		if done < start {
			parts = append(parts, part{s[done:start], -1})
		}
		parts = append(parts, part{s[start:end], w.token.ID})
		done = end
	}
	if done < len(s) {
		parts = append(parts, part{s[done:], -1})
	}
	return parts
}

func endsInWord(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && isWord(r)
}

func beginsWithWord(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && isWord(r)
}

// sortedByID returns added tokens in the order of their ids, as Hugging Face registers them.
func sortedByID(tokens []addedToken) []addedToken {
	out := append([]addedToken(nil), tokens...)
	sort.SliceStable(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}
