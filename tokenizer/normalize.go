package tokenizer

import (
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"golang.org/x/text/unicode/norm"
)

// A normalizer rewrites one piece of text between added tokens.
type normalizer func(string) string

// unicodeForm returns the normalizer of one of the four Unicode forms.
func unicodeForm(form norm.Form) normalizer {
	return func(s string) string {
		if form.QuickSpanString(s) == len(s) {
			return s
		}
		if !longMarkRun(s) {
			return form.String(s)
		}
		return normalizeLongRuns(form, s)
	}
}

// longMarkRun reports whether s has eight combining marks in a row. From 31 on (a mark decomposes to three at
// most), x/text inserts U+034F to bound its buffers (UAX #15, stream-safe text), which Hugging Face does not.
func longMarkRun(s string) bool {
	run := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			run = 0
			i++
			continue
		}
		p := norm.NFD.PropertiesString(s[i:])
		if p.CCC() == 0 {
			run = 0
		} else if run++; run == 8 {
			return true
		}
		i += max(p.Size(), 1)
	}
	return false
}

// normalizeLongRuns is the algorithm of UAX #15 without a bound on the run of marks: decompose each character,
// order marks by their class, then (NFC, NFKC) compose each with the last starter unless one between blocks it.
func normalizeLongRuns(form norm.Form, s string) string {
	decompose := norm.NFD
	if form == norm.NFKC || form == norm.NFKD {
		decompose = norm.NFKD
	}
	type char struct {
		r   rune
		ccc uint8
	}
	var chars []char
	starter := 0 // index of the last starter, where ordering stops
	for _, r := range s {
		for _, d := range decompose.String(string(r)) {
			c := char{d, norm.NFD.PropertiesString(string(d)).CCC()}
			if c.ccc == 0 {
				starter = len(chars)
			}
			at := len(chars)
			chars = append(chars, c)
			for ; c.ccc != 0 && at > starter && chars[at-1].ccc > c.ccc; at-- {
				chars[at] = chars[at-1]
			}
			chars[at] = c
		}
	}
	if form == norm.NFC || form == norm.NFKC {
		out := chars[:0]
		starter = -1
		for _, c := range chars {
			if starter >= 0 {
				last := out[len(out)-1]
				adjacent := len(out)-1 == starter
				if adjacent || last.ccc < c.ccc && last.ccc != 0 {
					pair := norm.NFC.String(string([]rune{out[starter].r, c.r}))
					if r, n := utf8.DecodeRuneInString(pair); n == len(pair) {
						out[starter].r = r
						continue
					}
				}
			}
			if c.ccc == 0 {
				starter = len(out)
			}
			out = append(out, c)
		}
		chars = out
	}
	var b strings.Builder
	for _, c := range chars {
		b.WriteRune(c.r)
	}
	return b.String()
}

// prepend puts prefix before a text that is not empty.
func prepend(prefix string) normalizer {
	return func(s string) string {
		if s == "" {
			return s
		}
		return prefix + s
	}
}

func replace(from, to string) normalizer {
	return func(s string) string { return strings.ReplaceAll(s, from, to) }
}

func inOrder(steps []normalizer) normalizer {
	if len(steps) == 1 {
		return steps[0]
	}
	return func(s string) string {
		for _, step := range steps {
			s = step(s)
		}
		return s
	}
}

func replaceRegexp(re *regexp2.Regexp, to string) normalizer {
	find := findRegexp(re)
	return func(s string) string {
		var b strings.Builder
		for _, sp := range find(s) {
			if sp.match {
				b.WriteString(to)
			} else {
				b.WriteString(s[sp.start:sp.end])
			}
		}
		return b.String()
	}
}

// lowercase maps each character by itself, U+0130 to its two characters (Rust's char::to_lowercase).
func lowercase(s string) string {
	return strings.ToLower(strings.ReplaceAll(s, "İ", "i\u0307"))
}
