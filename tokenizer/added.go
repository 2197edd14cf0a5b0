package tokenizer

import (
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

// A matcher finds added tokens, the leftmost first and the longest of those that begin there.
type matcher struct {
	byFirst [256][]pattern // by first byte, the longest first
	empty   bool
}

type pattern struct {
	text  string
	token addedToken
}

// newMatcher looks for each token's content, as normalize leaves it where normalize is not nil. Of two tokens
// with one text the first of tokens wins.
func newMatcher(tokens []addedToken, normalize normalizer) *matcher {
	m := &matcher{empty: true}
	seen := make(map[string]bool, len(tokens))
	for _, t := range tokens {
		text := t.Content
		if normalize != nil {
			text = normalize(text)
		}
		if text == "" || seen[text] {
			continue
		}
		seen[text] = true
		m.empty = false
		m.byFirst[text[0]] = append(m.byFirst[text[0]], pattern{text, t})
	}
	for _, list := range m.byFirst {
		sort.SliceStable(list, func(i, j int) bool { return len(list[i].text) > len(list[j].text) })
	}
	return m
}

// next returns the first match in s at or after from.
func (m *matcher) next(s string, from int) (start int, p *pattern) {
	for i := from; i < len(s); i++ {
		list := m.byFirst[s[i]]
		for k := range list {
			if strings.HasPrefix(s[i:], list[k].text) {
				return i, &list[k]
			}
		}
	}
	return len(s), nil
}

// A part of a text is an added token (id ≥ 0) or the text between two (id −1).
type part struct {
	text string
	id   int
}

// split appends the parts of s to parts.
func (m *matcher) split(parts []part, s string) []part {
	if m.empty {
		return append(parts, part{s, -1})
	}
	done := 0 // s[:done] is in parts
	for from := 0; ; {
		start, p := m.next(s, from)
		if p == nil {
			break
		}
		end := start + len(p.text)
		from = end
		if p.token.SingleWord && (endsInWord(s[:start]) || beginsWithWord(s[end:])) {
			continue
		}
		if p.token.LStrip {
			// White space that a token before took (rstrip) stays with it.
			start = max(len(strings.TrimRightFunc(s[:start], unicode.IsSpace)), done)
		}
		if p.token.RStrip {
			end = len(s) - len(strings.TrimLeftFunc(s[end:], unicode.IsSpace))
		}
		if done < start {
			parts = append(parts, part{s[done:start], -1})
		}
		parts = append(parts, part{s[start:end], p.token.ID})
		done = end
	}
	if done < len(s) {
		parts = append(parts, part{s[done:], -1})
	}
	return parts
}

// isWord is the class \w of Unicode regular expressions (UTS #18, annex C).
func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) ||
		unicode.In(r, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
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
