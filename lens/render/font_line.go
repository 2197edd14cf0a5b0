package render

import (
	"fmt"
	"image"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// missing stands for the font of a character that no font has.
const missing = -1

// placed is a character in the font that has it, on a line.
type placed struct {
	r    rune
	face int     // of typesetter.faces, or missing
	x    float64 // the pen, in ems from the line's left end
}

// line is text ready to be drawn.
type line struct {
	text   string // in reading order
	glyphs []placed
	width  float64 // ems
	rtl    bool    // its first strong character runs from right to left
}

// typesetter sets text in several fonts, a character in the first that has it.
type typesetter struct {
	faces []typeface
	lines map[string]*line
	where map[rune]home
	masks map[stamp]*image.Alpha
}

type home struct {
	face    int
	advance float64
}

// stamp is a character as it is drawn: the same for each of its appearances.
type stamp struct {
	placed
	size float64 // pixels an em
}

func newTypesetter(fonts []string) (*typesetter, error) {
	faces, err := typefaces(fonts)
	if err != nil {
		return nil, err
	}
	return &typesetter{faces: faces, lines: map[string]*line{}, where: map[rune]home{}, masks: map[stamp]*image.Alpha{}}, nil
}

// find returns the first font that has r, and how far r moves the pen there.
func (t *typesetter) find(r rune) home {
	h, known := t.where[r]
	if !known {
		h = home{missing, boxEms(r)}
		for i, f := range t.faces {
			if a, ok := f.advance(r); ok && controlPictures[r] == "" {
				h = home{i, a}
				break
			}
		}
		t.where[r] = h
	}
	return h
}

// set lays text out from left to right as it is seen: runs of the other direction
// turned round, Arabic letters joined.
func (t *typesetter) set(text string) *line {
	if l := t.lines[text]; l != nil {
		return l
	}
	l := &line{text: text}
	var seen []rune
	seen, l.rtl = visual(norm.NFC.String(text), func(r rune) bool { return t.find(r).face != missing })
	pen := 0.0
	for _, r := range seen {
		h := t.find(r)
		l.glyphs = append(l.glyphs, placed{r, h.face, pen})
		pen += h.advance
	}
	l.width = pen
	t.lines[text] = l
	return l
}

// boxEms is the width of the frame that stands for a character without a glyph.
func boxEms(r rune) float64 {
	rows, size := inBox(r)
	return 0.26 + 0.64*size*float64(len(rows[0]))
}

// inBox is what stands in the frame, and the size of its letters in ems: the code point
// in hexadecimal, in two rows.
func inBox(r rune) (rows []string, size float64) {
	if name := controlPictures[r]; name != "" {
		return []string{name}, 0.65
	}
	digits := fmt.Sprintf("%04X", r)
	half := (len(digits) + 1) / 2
	return []string{digits[:half], digits[half:]}, 0.5
}

// controlPictures are framed though a font has them: its letters are too small to read.
var controlPictures = map[rune]string{'␉': "HT", '␊': "LF", '␍': "CR"}

// visual puts text into the order in which it is seen, from left to right, its base
// direction that of its first strong character (UAX #9, P2 and P3), and joins Arabic
// letters whose joined form has a glyph.
func visual(text string, has func(rune) bool) (out []rune, rtl bool) {
	text = strings.NewReplacer(firstStrongIsolate, "", popIsolate, "").Replace(text)
	if !strings.ContainsFunc(text, rightToLeft) {
		return []rune(text), false
	}
	var p bidi.Paragraph
	p.SetString(text)
	order, err := p.Order()
	if err != nil { // never: the text is valid and one paragraph
		return []rune(text), false
	}
	rtl = !startsLeftToRight(text)
	var runs []levelRun
	for i := range order.NumRuns() { // in reading order
		run := order.Run(i)
		runs = append(runs, levelled(run, rtl, i > 0 && runs[i-1].level == 1))
	}
	for i := range runs {
		if runs[i].level == 1 {
			runs[i].text = turned(join(runs[i].text, has))
		}
	}
	for level := 2; level >= 1; level-- { // UAX #9, L2
		reverseFrom(runs, level)
	}
	for _, r := range runs {
		out = append(out, r.text...)
	}
	return out, rtl
}

// levelRun is text of one embedding level: 0 and 2 from left to right, 1 from right to
// left.
type levelRun struct {
	text  []rune
	level int
}

// levelled finds a run's level; afterRTL says that the run before has level 1. A
// number among right-to-left text is part of it (UAX #9, I1).
func levelled(run bidi.Run, base, afterRTL bool) levelRun {
	r := levelRun{text: []rune(run.String())}
	switch {
	case run.Direction() == bidi.RightToLeft:
		r.level = 1
	case base, afterRTL && !strings.ContainsFunc(run.String(), leftToRight):
		r.level = 2
	}
	return r
}

// reverseFrom reverses each sequence of runs of at least a level.
func reverseFrom(runs []levelRun, level int) {
	for i := 0; i < len(runs); i++ {
		start := i
		for i < len(runs) && runs[i].level >= level {
			i++
		}
		slices.Reverse(runs[start:i])
	}
}

func leftToRight(r rune) bool {
	p, _ := bidi.LookupRune(r)
	return p.Class() == bidi.L
}

func startsLeftToRight(text string) bool {
	for _, r := range text {
		p, _ := bidi.LookupRune(r)
		switch p.Class() {
		case bidi.L:
			return true
		case bidi.R, bidi.AL:
			return false
		}
	}
	return true
}

// turned reverses a run from right to left: marks stay behind their letter, brackets
// are mirrored.
func turned(rs []rune) []rune {
	out := make([]rune, 0, len(rs))
	for end := len(rs); end > 0; {
		start := end - 1
		for start > 0 && unicode.In(rs[start], unicode.Mn, unicode.Me) {
			start--
		}
		mirrored := []rune(bidi.ReverseString(string(rs[start])))
		out = append(append(out, mirrored...), rs[start+1:end]...)
		end = start
	}
	return out
}

// The forms of an Arabic letter, in the order in which Unicode's presentation blocks
// list them.
const (
	isolated = iota
	final
	initial
	medial
)

// arabic maps a letter, or lam and alef, to its presentation forms: two for a letter
// that joins to the one before it only, four for one that joins on both sides.
var arabic = sync.OnceValue(presentationForms)

// presentationForms reads them off the compatibility decompositions: the forms of a
// letter follow each other and decompose to it.
func presentationForms() map[string][]rune {
	out := map[string][]rune{} // block B first: of alef maksura it has the isolated and final form, A the others
	for _, block := range [][2]rune{{0xfe80, 0xfefc}, {0xfb50, 0xfbb1}, {0xfbd3, 0xfbff}} {
		for r := block[0]; r <= block[1]; r++ {
			if whole := norm.NFKC.String(string(r)); whole != string(r) {
				out[whole] = append(out[whole], r)
			}
		}
	}
	return out
}

const (
	tatweel = 'ـ' // a stroke that joins on both sides
	lam     = 'ل'
)

func joinsBefore(r rune) bool { return r == tatweel || len(arabic()[string(r)]) >= 2 }
func joinsAfter(r rune) bool  { return r == tatweel || len(arabic()[string(r)]) == 4 }

// join replaces the letters of a run, in reading order, by the forms that their
// neighbours ask for. A form that no font has is left as the letter.
func join(rs []rune, has func(rune) bool) []rune {
	var out []rune
	for i := 0; i < len(rs); i++ {
		r := rs[i]
		before, next := beside(rs, i, -1), beside(rs, i, +1)
		letter := string(r)
		if ligature := string(r) + string(next); r == lam && i+1 < len(rs) && rs[i+1] == next && len(arabic()[ligature]) == 2 {
			letter = ligature // one glyph, which joins as alef does
			i++
		}
		forms := arabic()[letter]
		form := isolated
		if len(forms) >= 2 && joinsAfter(before) {
			form = final
		}
		if len(forms) == 4 && joinsBefore(next) {
			form += initial
		}
		if len(forms) > form && has(forms[form]) {
			out = append(out, forms[form])
		} else {
			out = append(out, []rune(letter)...)
		}
	}
	return out
}

// beside is the nearest character in a direction that is no mark; 0 at the end.
func beside(rs []rune, i, step int) rune {
	for i += step; i >= 0 && i < len(rs); i += step {
		if !unicode.In(rs[i], unicode.Mn, unicode.Me) {
			return rs[i]
		}
	}
	return 0
}
