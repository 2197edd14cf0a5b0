package tokenizer

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// A normalizer rewrites one piece of text between added tokens. It fails where the text would grow beyond mostGrowth.
type normalizer func(string) (string, error)

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
	return func(s string) (string, error) {
		size, limit := len(s), growthLimit(len(s))
		for i, step := range steps {
			var err error
			if s, err = step(s); err != nil {
				return "", err
			}
			if len(s) > limit {
				return "", tooLarge(fmt.Sprintf("normalizer %d of %d", i+1, len(steps)), size, limit)
			}
		}
		return s, nil
	}
}

// prepend puts prefix before a text that is not empty.
func prepend(prefix string) normalizer {
	return func(s string) (string, error) {
		if s == "" {
			return s, nil
		}
		return prefix + s, nil
	}
}

func replace(from, to string) normalizer {
	return func(s string) (string, error) {
		n := strings.Count(s, from)
		if limit := growthLimit(len(s)); n*(len(to)-len(from)) > limit-len(s) {
			return "", tooLarge("normalizer Replace", len(s), limit)
		}
		return strings.ReplaceAll(s, from, to), nil
	}
}

func replacePattern(p *pattern, to string) normalizer {
	return func(s string) (string, error) {
		spans, err := p.find(s)
		if err != nil {
			return "", err
		}
		limit := growthLimit(len(s))
		var b strings.Builder
		for _, sp := range spans {
			if sp.match {
				b.WriteString(to)
			} else {
				b.WriteString(s[sp.start:sp.end])
			}
			if b.Len() > limit {
				return "", tooLarge("normalizer Replace", len(s), limit)
			}
		}
		return b.String(), nil
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
func lowercase(s string) (string, error) {
	table := lowerCase()
	lower := func(r rune) rune {
		if to, ok := table[r]; ok {
			return to
		}
		return r
	}
	return strings.Map(lower, strings.ReplaceAll(s, "İ", "i\u0307")), nil
}
