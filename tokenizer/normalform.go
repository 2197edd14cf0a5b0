package tokenizer

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// A normalForm is one of Unicode's four.
type normalForm struct {
	compatible bool // NFKC, NFKD
	compose    bool // NFC, NFKC
}

// normalTables are the tables of zunicode.go, read when a text first needs them.
type normalTables struct {
	decomposed [2]map[rune]string // canonical, compatible
	composed   map[[2]rune]rune
	class      map[rune]uint8 // canonical combining class, where it is not 0
}

// charFlags has a bit for each character.
type charFlags [0x110000 / 64]uint64

func (f *charFlags) set(r rune)      { f[r>>6] |= 1 << (r & 63) }
func (f *charFlags) has(r rune) bool { return f[r>>6]&(1<<(r&63)) != 0 }

var loadNormalTables = sync.OnceValue(func() *normalTables {
	t := &normalTables{composed: map[[2]rune]rune{}, class: map[rune]uint8{}}
	t.decomposed = [2]map[rune]string{{}, {}}
	for i, table := range []string{canonical, compatible} {
		for row := range strings.SplitSeq(table, "\x00") {
			r, n := utf8.DecodeRuneInString(row)
			t.decomposed[i][r] = row[n:]
		}
	}
	for r, whole := range t.decomposed[0] {
		if _, ok := t.decomposed[1][r]; !ok {
			t.decomposed[1][r] = whole
		}
	}
	pairs := []rune(composed)
	for i := 0; i < len(pairs); i += 3 {
		t.composed[[2]rune{pairs[i], pairs[i+1]}] = pairs[i+2]
	}
	marks := []rune(combining)
	for i := 0; i < len(marks); i += 2 {
		t.class[marks[i]] = uint8(marks[i+1])
	}
	return t
})

// suspects returns the characters that a form changes, or that order or compose with those before them.
func (t *normalTables) suspects(form normalForm) *charFlags {
	f := &charFlags{}
	wholes := map[rune]bool{} // what composition gives back
	if form.compose {
		for pair, whole := range t.composed {
			wholes[whole] = true
			f.set(pair[1])
		}
		for r := rune(hangulV); r < hangulT+hangulTCount; r++ {
			f.set(r)
		}
	} else {
		for r := rune(hangulS); r < hangulS+hangulSCount; r++ {
			f.set(r)
		}
	}
	for r, whole := range t.decomposed[btoi(form.compatible)] {
		if !wholes[r] || whole != t.decomposed[0][r] {
			f.set(r)
		}
	}
	for r := range t.class {
		f.set(r)
	}
	return f
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Hangul syllables are composed by arithmetic (Unicode, section 3.12).
const (
	hangulS, hangulL, hangulV, hangulT       = 0xAC00, 0x1100, 0x1161, 0x11A7
	hangulLCount, hangulVCount, hangulTCount = 19, 21, 28
	hangulSCount                             = hangulLCount * hangulVCount * hangulTCount
)

// unicodeForm returns the normalizer of a form (UAX #15, without its bound on a run of marks, as in Hugging Face).
func unicodeForm(form normalForm) normalizer {
	suspects := sync.OnceValue(func() *charFlags { return loadNormalTables().suspects(form) })
	return func(s string, g growth) (string, error) {
		for _, r := range s {
			if r >= utf8.RuneSelf && suspects().has(r) {
				return loadNormalTables().normalize(form, s, suspects(), g)
			}
		}
		return s, nil
	}
}

// char is a character and its combining class.
type char struct {
	r     rune
	class uint8
}

// name is that of the form's normalizer.
func (f normalForm) name() string {
	return map[normalForm]string{{}: "NFD", {compose: true}: "NFC", {compatible: true}: "NFKD", {true, true}: "NFKC"}[f]
}

// normalize decomposes each character, orders marks by their class, and composes each with the last starter unless
// one between blocks it. Its growth is held before composition.
func (t *normalTables) normalize(form normalForm, s string, suspects *charFlags, g growth) (string, error) {
	var b strings.Builder
	b.Grow(len(s))
	chars := make([]char, 0, 2*enoughChars)
	made := 0
	for _, r := range s {
		from := len(chars)
		chars = t.decompose(chars, form, r)
		for _, c := range chars[from:] {
			made += utf8.RuneLen(c.r)
		}
		if err := g.refuse(made, "normalizer "+form.name()); err != nil {
			return "", err
		}
		if from >= enoughChars && !suspects.has(chars[from].r) { // it is not ordered or composed with those before
			t.finish(form, chars[:from], &b)
			chars = append(chars[:0], chars[from:]...)
		}
	}
	t.finish(form, chars, &b)
	return b.String(), nil
}

// enoughChars are finished together, or more where they are marks of one character.
const enoughChars = 4096

// decompose appends what a character consists of.
func (t *normalTables) decompose(chars []char, form normalForm, r rune) []char {
	if at := r - hangulS; at >= 0 && at < hangulSCount {
		chars = append(chars, char{r: hangulL + at/(hangulVCount*hangulTCount)}, char{r: hangulV + at/hangulTCount%hangulVCount})
		if tail := at % hangulTCount; tail > 0 {
			chars = append(chars, char{r: hangulT + tail})
		}
		return chars
	}
	whole, ok := t.decomposed[btoi(form.compatible)][r]
	if !ok {
		return append(chars, char{r, t.class[r]})
	}
	for _, d := range whole {
		chars = append(chars, char{d, t.class[d]})
	}
	return chars
}

// finish orders and composes chars, and writes them.
func (t *normalTables) finish(form normalForm, chars []char, b *strings.Builder) {
	for i := 0; i < len(chars); i++ {
		end := i
		for end < len(chars) && chars[end].class != 0 {
			end++
		}
		if end > i+1 {
			slices.SortStableFunc(chars[i:end], func(a, b char) int { return int(a.class) - int(b.class) })
		}
		i = end
	}
	if form.compose {
		chars = t.recompose(chars)
	}
	for _, c := range chars {
		b.WriteRune(c.r)
	}
}

// recompose writes over chars.
func (t *normalTables) recompose(chars []char) []char {
	out := chars[:0]
	starter := -1
	for _, c := range chars {
		if starter >= 0 {
			last := out[len(out)-1].class
			if adjacent := len(out)-1 == starter; adjacent || last < c.class && last != 0 {
				if whole, ok := t.pair(out[starter].r, c.r); ok {
					out[starter].r = whole
					continue
				}
			}
		}
		if c.class == 0 {
			starter = len(out)
		}
		out = append(out, c)
	}
	return out
}

// pair returns the character that two make.
func (t *normalTables) pair(a, b rune) (rune, bool) {
	if l, v := a-hangulL, b-hangulV; l >= 0 && l < hangulLCount && v >= 0 && v < hangulVCount {
		return hangulS + (l*hangulVCount+v)*hangulTCount, true
	}
	if s, tail := a-hangulS, b-hangulT; s >= 0 && s < hangulSCount && s%hangulTCount == 0 && tail > 0 && tail < hangulTCount {
		return a + tail, true
	}
	whole, ok := t.composed[[2]rune{a, b}]
	return whole, ok
}
