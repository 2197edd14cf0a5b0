package tokenizer

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// A charSet is what one place of a pattern matches: a character, a class, or classes within classes.
type charSet struct {
	ascii      [2]uint64 // the answer for U+0000 to U+007F
	ranges     [][2]rune
	categories categorySet
	tables     []*unicode.RangeTable
	sets       []*charSet // each adds its characters
	both       *charSet   // when not nil, only what it has too
	not        bool
	weight     int // how many questions an answer beyond ASCII may take
}

// finish sets what is looked up for ASCII.
func (c *charSet) finish() *charSet {
	c.weight = 1 + len(c.ranges) + len(c.tables)
	for _, s := range append(slices.Clip(c.sets), c.both) {
		if s != nil {
			c.weight += s.weight
		}
	}
	c.ascii = [2]uint64{}
	for r := range rune(utf8.RuneSelf) {
		if c.slow(r) {
			c.ascii[r>>6] |= 1 << (r & 63)
		}
	}
	return c
}

func (c *charSet) has(r rune) bool {
	if r < utf8.RuneSelf {
		return c.ascii[r>>6]&(1<<(r&63)) != 0
	}
	return c.slow(r)
}

func (c *charSet) slow(r rune) bool {
	in := c.categories.has(r) ||
		slices.ContainsFunc(c.ranges, func(p [2]rune) bool { return p[0] <= r && r <= p[1] }) ||
		slices.ContainsFunc(c.tables, func(t *unicode.RangeTable) bool { return unicode.Is(t, r) }) ||
		slices.ContainsFunc(c.sets, func(s *charSet) bool { return s.slow(r) })
	return (in && (c.both == nil || c.both.slow(r))) != c.not
}

// inverted is the set of all others.
func (c *charSet) inverted() *charSet { return (&charSet{sets: []*charSet{c}, not: true}).finish() }

func oneChar(r rune) *charSet { return (&charSet{ranges: [][2]rune{{r, r}}}).finish() }

// folded adds the other case of ASCII letters, with what Unicode folds to them; ok is false where the set has a
// character beyond ASCII, whose folding is not implemented.
func (c *charSet) folded() (set *charSet, ok bool) {
	out := &charSet{ranges: slices.Clone(c.ranges)}
	if c.categories != 0 || c.tables != nil || c.sets != nil || c.both != nil || c.not {
		return nil, false
	}
	for _, p := range c.ranges {
		if p[1] >= utf8.RuneSelf {
			return nil, false
		}
		for r := p[0]; r <= p[1]; r++ {
			for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
				out.ranges = append(out.ranges, [2]rune{o, o})
			}
		}
	}
	return out.finish(), true
}

// The classes of a pattern that have a letter.
var (
	spaceSet  = (&charSet{tables: []*unicode.RangeTable{unicode.White_Space}}).finish()
	digitSet  = (&charSet{categories: setOf("Nd")}).finish()
	hexSet    = (&charSet{ranges: [][2]rune{{'0', '9'}, {'A', 'F'}, {'a', 'f'}}}).finish()
	wideSet   = (&charSet{categories: wordSet, tables: []*unicode.RangeTable{classWord, patternWord}}).finish() // \w
	narrowSet = (&charSet{categories: wordSet, tables: []*unicode.RangeTable{classWord}}).finish()              // \w in a class, without ² and five more
	lineSet   = oneChar('\n').inverted()                                                                        // .
)

var letterClasses = map[byte]*charSet{
	's': spaceSet, 'S': spaceSet.inverted(), 'd': digitSet, 'D': digitSet.inverted(), 'h': hexSet, 'H': hexSet.inverted(), 'w': wideSet, 'W': wideSet.inverted(),
}

// scripts are those that \p{…} knows.
var scripts = map[string]*unicode.RangeTable{
	"Arabic": scriptArabic, "Bopomofo": scriptBopomofo, "Cyrillic": scriptCyrillic, "Devanagari": scriptDevanagari, "Greek": scriptGreek, "Han": scriptHan,
	"Hangul": scriptHangul, "Hebrew": scriptHebrew, "Hiragana": scriptHiragana, "Katakana": scriptKatakana, "Latin": scriptLatin, "Thai": scriptThai,
}

// property returns the characters of \p{name}.
func property(name string) (*charSet, bool) {
	if t, ok := scripts[name]; ok {
		return (&charSet{tables: []*unicode.RangeTable{t}}).finish(), true
	}
	if set := setOf(name); set != 0 && len(name) <= 2 {
		return (&charSet{categories: set}).finish(), true
	}
	return nil, false
}
