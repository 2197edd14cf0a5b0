package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"

	sugar "github.com/sugarme/tokenizer"
	sugarnorm "github.com/sugarme/tokenizer/normalizer"
)

// A piece is a stretch of text on its way to the words that the model merges.
type piece struct {
	text string
	// first marks the beginning of the text given, where Metaspace's prepend_scheme "first" writes its mark.
	first bool
}

// A step is one pre-tokenizer: it cuts or rewrites pieces. No step makes more than four bytes of one, and one more
// character of a piece.
type step func(pieces []piece) ([]piece, error)

// preTokenizer does what Hugging Face's added vocabulary, normalizer and pre-tokenizer do, behind the interface
// of sugarme's PreTokenizer, in that order: the added tokens of the text as given, normalization of what lies
// between them, the added tokens of the normalized text, then the steps.
type preTokenizer struct {
	raw        *matcher // tokens with normalized: false
	normalize  normalizer
	normalized *matcher // tokens with normalized: true
	steps      []step
}

// noOffsets is every token's place in the text: nobody asks for it, and sugarme computes it cheapest if empty.
var noOffsets = []int{0, 0}

// unaligned wraps text without the alignments that sugarme's constructor allocates for each byte.
func unaligned(text string) *sugarnorm.NormalizedString {
	return sugarnorm.NewNormalizedString(text, text, nil, nil, 0)
}

func newSplit(text string, tokens []sugar.Token) sugar.SplitIdx {
	return sugar.SplitIdx{Normalized: unaligned(text), Tokens: tokens}
}

// PreTokenize implements sugarme's PreTokenizer.
func (p *preTokenizer) PreTokenize(pre *sugar.PreTokenizedString) (*sugar.PreTokenizedString, error) {
	var err error
	pre = pre.Split(func(_ int, s *sugarnorm.NormalizedString) (splits []sugar.SplitIdx) {
		splits, err = p.split(s.GetNormalized())
		return splits
	})
	return pre, err
}

func (p *preTokenizer) split(text string) ([]sugar.SplitIdx, error) {
	splits := make([]sugar.SplitIdx, 0, len(text)/4+1)
	added := func(part part) {
		splits = append(splits, newSplit(part.text, []sugar.Token{{Id: part.id, Value: part.text, Offsets: noOffsets}}))
	}
	offset, size, limit := 0, 0, growthLimit(len(text)) // in the text given, and of what became and may become of it
	for _, outer := range p.raw.split(nil, text) {
		if outer.id >= 0 {
			added(outer)
			offset += len(outer.text)
			continue
		}
		clean, g := outer.text, growthOf(outer.text)
		if p.normalize != nil {
			var err error
			if clean, err = p.normalize(clean, g); err != nil {
				return nil, err
			}
		}
		for k, inner := range p.normalized.split(nil, clean) {
			if inner.id >= 0 {
				added(inner)
				continue
			}
			pieces, err := p.pieces(piece{text: inner.text, first: offset == 0 && k == 0}, g)
			if err != nil {
				return nil, err
			}
			if size += bytesOf(pieces); size > limit {
				return nil, tooLarge("all normalizers and pre-tokenizers together", len(text), limit)
			}
			for _, word := range pieces {
				splits = append(splits, newSplit(word.text, nil))
			}
		}
		offset += len(outer.text)
	}
	return splits, nil
}

// pieces takes one piece through all steps; g is that of the stretch which the piece is part of.
func (p *preTokenizer) pieces(whole piece, g growth) ([]piece, error) {
	pieces := []piece{whole}
	for i, step := range p.steps {
		var err error
		if pieces, err = step(pieces); err != nil {
			return nil, err
		}
		if err := g.refuse(bytesOf(pieces), fmt.Sprintf("pre-tokenizer %d of %d", i+1, len(p.steps))); err != nil {
			return nil, err
		}
	}
	return pieces, nil
}

func bytesOf(pieces []piece) (size int) {
	for _, p := range pieces {
		size += len(p.text)
	}
	return size
}

// scanStep cuts at every end that scan finds.
func scanStep(scan scanner) step {
	return func(pieces []piece) ([]piece, error) {
		var out []piece
		for _, p := range pieces {
			if out == nil {
				out = make([]piece, 0, len(p.text)/4+1)
			}
			for i := 0; i < len(p.text); {
				end := scan(p.text, i)
				out = append(out, piece{p.text[i:end], p.first && i == 0})
				i = end
			}
		}
		return out, nil
	}
}

// A finder covers s with spans.
type finder func(s string) ([]span, error)

// fillGaps adds what lies between the matches.
func fillGaps(s string, matches []span) []span {
	spans := make([]span, 0, 2*len(matches)+1)
	done := 0
	for _, m := range matches {
		if done < m.start {
			spans = append(spans, span{done, m.start, false})
		}
		spans = append(spans, m)
		done = m.end
	}
	if done < len(s) {
		spans = append(spans, span{done, len(s), false})
	}
	return spans
}

func findString(pattern string) finder {
	return func(s string) ([]span, error) {
		var matches []span
		for from := 0; pattern != ""; {
			i := strings.Index(s[from:], pattern)
			if i < 0 {
				break
			}
			matches = append(matches, span{from + i, from + i + len(pattern), true})
			from += i + len(pattern)
		}
		return fillGaps(s, matches), nil
	}
}

func findRune(is func(rune) bool) finder {
	return func(s string) ([]span, error) {
		var matches []span
		for i, r := range s {
			if is(r) {
				matches = append(matches, span{i, i + utf8.RuneLen(r), true})
			}
		}
		return fillGaps(s, matches), nil
	}
}

// behaviors say what becomes of the matches of a Split: each takes the spans of a piece and returns the pieces'.
var behaviors = map[string]func([]span) []span{
	"Isolated": func(spans []span) []span { return spans },
	"Removed": func(spans []span) []span {
		kept := spans[:0]
		for _, s := range spans {
			if !s.match {
				kept = append(kept, s)
			}
		}
		return kept
	},
	"Contiguous": func(spans []span) []span {
		kept := spans[:0]
		for _, s := range spans {
			if n := len(kept); n > 0 && kept[n-1].match == s.match {
				kept[n-1].end = s.end
				continue
			}
			kept = append(kept, s)
		}
		return kept
	},
	"MergedWithPrevious": func(spans []span) []span {
		var kept []span
		afterMatch := false
		for _, s := range spans {
			if n := len(kept); s.match && !afterMatch && n > 0 {
				kept[n-1].end = s.end
			} else {
				kept = append(kept, s)
			}
			afterMatch = s.match
		}
		return kept
	},
	"MergedWithNext": func(spans []span) []span {
		var kept []span // from the last to the first
		beforeMatch := false
		for i := len(spans) - 1; i >= 0; i-- {
			if n := len(kept); spans[i].match && !beforeMatch && n > 0 {
				kept[n-1].start = spans[i].start
			} else {
				kept = append(kept, spans[i])
			}
			beforeMatch = spans[i].match
		}
		for i, j := 0, len(kept)-1; i < j; i, j = i+1, j-1 {
			kept[i], kept[j] = kept[j], kept[i]
		}
		return kept
	},
}

// splitStep cuts by a pattern; invert exchanges matches and gaps.
func splitStep(find finder, invert bool, behavior func([]span) []span) step {
	return func(pieces []piece) ([]piece, error) {
		var out []piece
		for _, p := range pieces {
			spans, err := find(p.text)
			if err != nil {
				return nil, err
			}
			for i := range spans {
				spans[i].match = spans[i].match != invert
			}
			for _, s := range behavior(spans) {
				out = append(out, piece{p.text[s.start:s.end], p.first && s.start == 0})
			}
		}
		return out, nil
	}
}

func digitsStep(individual bool) step {
	behavior := behaviors["Contiguous"]
	if individual {
		behavior = behaviors["Isolated"]
	}
	return splitStep(findRune(isNumeric), false, behavior)
}

// prefixStep writes prefix before each piece that does not begin with it.
func prefixStep(prefix string, onlyFirst bool) step {
	return func(pieces []piece) ([]piece, error) {
		for i, p := range pieces {
			if p.text != "" && (p.first || !onlyFirst) && !strings.HasPrefix(p.text, prefix) {
				pieces[i].text = prefix + p.text
			}
		}
		return pieces, nil
	}
}

// replaceStep rewrites each piece.
func replaceStep(from, to string) step {
	return func(pieces []piece) ([]piece, error) {
		for i, p := range pieces {
			pieces[i].text = strings.ReplaceAll(p.text, from, to)
		}
		return pieces, nil
	}
}

// byteLevelStep writes each byte as its character of the byte alphabet, all pieces in one allocation.
func byteLevelStep(pieces []piece) ([]piece, error) {
	size := bytesOf(pieces)
	mapped := make([]byte, 0, size+size/2)
	ends := make([]int, len(pieces))
	for i, p := range pieces {
		mapped = appendByteLevel(mapped, p.text)
		ends[i] = len(mapped)
	}
	text, start := string(mapped), 0
	for i, end := range ends {
		pieces[i].text = text[start:end]
		start = end
	}
	return pieces, nil
}
