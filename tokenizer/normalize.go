package tokenizer

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// A normalizer rewrites one piece of text between added tokens. It fails, before it takes the memory, where more would
// come of the piece than its growth lets.
type normalizer func(s string, g growth) (string, error)

// growth is what a piece of text may become, whatever steps it goes through.
type growth struct {
	size, limit int    // bytes of the piece as given, and of what may become of it on the way
	step        string // of a sequence, "" outside one
}

func growthOf(piece string) growth { return growth{size: len(piece), limit: growthLimit(len(piece))} }

// refuse returns an error when a step would make so many bytes.
func (g growth) refuse(made int, name string) error {
	if made <= g.limit {
		return nil
	}
	if g.step != "" {
		name = g.step
	}
	return tooLarge(name, g.size, g.limit)
}

// What a text may grow to on its way: NFKC makes 33 bytes of the three of U+FDFA, and no file in use makes more.
const (
	mostGrowth  = 32       // bytes for each byte of the text
	leastGrowth = 64 << 10 // that a short text may grow to
	mostParts   = 64       // normalizers, pre-tokenizers, decoders or post-processors of a file; those in use have ten at most
)

// growthLimit returns how many bytes may become of a text of size bytes.
func growthLimit(size int) int { return max(mostGrowth*size, leastGrowth) }

// tooLarge is the error of a step that would pass growthLimit.
func tooLarge(step string, size, limit int) error {
	return fmt.Errorf("%s would make more than %d bytes of a text of %d: the tokenizer's file is damaged or hostile", step, limit, size)
}

// inOrder runs normalizers one after the other, and holds the growth of all of them together.
func inOrder(steps []normalizer) normalizer {
	return func(s string, g growth) (string, error) {
		for i, step := range steps {
			g.step = fmt.Sprintf("normalizer %d of %d", i+1, len(steps))
			var err error
			if s, err = step(s, g); err != nil {
				return "", err
			}
		}
		return s, nil
	}
}

// prepend puts prefix before a text that is not empty.
func prepend(prefix string) normalizer {
	return func(s string, g growth) (string, error) {
		if s == "" {
			return s, nil
		}
		if err := g.refuse(len(prefix)+len(s), "normalizer Prepend"); err != nil {
			return "", err
		}
		return prefix + s, nil
	}
}

func replace(from, to string) normalizer {
	return func(s string, g growth) (string, error) {
		if err := g.refuse(len(s)+strings.Count(s, from)*(len(to)-len(from)), "normalizer Replace"); err != nil {
			return "", err
		}
		return strings.ReplaceAll(s, from, to), nil
	}
}

func replacePattern(p *pattern, to string) normalizer {
	return func(s string, g growth) (string, error) {
		var b strings.Builder
		done := 0
		err := p.each(s, func(start, end int) error {
			b.WriteString(s[done:start])
			done = end
			if err := g.refuse(b.Len()+len(to), "normalizer Replace"); err != nil {
				return err
			}
			b.WriteString(to)
			return nil
		})
		if err != nil {
			return "", err
		}
		b.WriteString(s[done:])
		return b.String(), g.refuse(b.Len(), "normalizer Replace")
	}
}

// lowerCase is Rust's char::to_lowercase of each character, but for U+0130.
var lowerCase = sync.OnceValue(func() map[rune]rune {
	table := make(map[rune]rune)
	for s := lowered; s != ""; {
		from, n := utf8.DecodeRuneInString(s)
		to, m := utf8.DecodeRuneInString(s[n:])
		table[from] = to
		s = s[n+m:]
	}
	return table
})

// lowercase maps each character by itself, U+0130 to its two characters.
func lowercase(s string, g growth) (string, error) {
	table := lowerCase()
	lower := func(r rune) rune {
		if to, ok := table[r]; ok {
			return to
		}
		return r
	}
	s = strings.Map(lower, strings.ReplaceAll(s, "İ", "i\u0307")) // of two bytes three at most
	return s, g.refuse(len(s), "normalizer Lowercase")
}
