package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// A scanner returns the end of the match that begins at s[i], i < len(s). The patterns that have one match at
// every position, so that cutting at each end is Hugging Face's Split with behavior "Isolated".
type scanner func(s string, i int) int

// The patterns with a hand-written scanner, as they stand in tokenizer.json.
const (
	patternGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternTekken = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// scannerFor returns the scanner of a known pattern, and nil for any other.
func scannerFor(pattern string) scanner {
	switch pattern {
	case patternGPT2:
		return scanGPT2
	case patternLlama3:
		return func(s string, i int) int { return scanLlama3(s, i, 3) }
	case patternQwen2:
		return func(s string, i int) int { return scanLlama3(s, i, 1) }
	case patternTekken:
		return scanTekken
	}
	return nil
}

type class uint8

const (
	other   class = iota // [^\s\p{L}\p{N}]
	letter               // \p{L}
	number               // \p{N}
	space                // \s except the next
	newline              // [\r\n]
)

var asciiClass = makeASCIIClass()

func makeASCIIClass() (table [utf8.RuneSelf]class) {
	for c := range table {
		table[c] = classOf(rune(c))
	}
	return table
}

func classOf(r rune) class {
	switch {
	case r == '\r' || r == '\n':
		return newline
	case letterSet.has(r):
		return letter
	case numberSet.has(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// classAt returns the class and the width of the character at s[i]; the width is 0 at the end of s.
func classAt(s string, i int) (class, int) {
	if i >= len(s) {
		return other, 0
	}
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classOf(r), n
}

// skip returns the end of the run of class k from i.
func skip(s string, i int, k class) int {
	for {
		c, n := classAt(s, i)
		if n == 0 || c != k {
			return i
		}
		i += n
	}
}

// scanSpaces matches \s+(?!\S)|\s+ at s[i], which is white: the whole run at the end of s; elsewhere all of it but
// its last character, which the next match may want, or that character where it is alone. lineEnd is one past the
// last \r or \n of the run, −1 without one.
func scanSpaces(s string, i int) (end, lineEnd int) {
	j, last := i, i
	lineEnd = -1
	for {
		c, n := classAt(s, j)
		if n == 0 {
			return j, lineEnd
		}
		if c != space && c != newline {
			break
		}
		last = j
		j += n
		if c == newline {
			lineEnd = j
		}
	}
	if last > i {
		return last, lineEnd
	}
	return j, lineEnd
}

func scanGPT2(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:], false); n > 0 {
			return i + 1 + n
		}
	}
	j := i
	if s[i] == ' ' {
		j++
	}
	switch c, n := classAt(s, j); {
	case n == 0 || c == space || c == newline:
		end, _ := scanSpaces(s, i)
		return end
	default:
		return skip(s, j+n, c)
	}
}

// scanLlama3 matches Llama 3's pattern, with numbers of at most digits characters (Qwen's pattern has 1).
func scanLlama3(s string, i, digits int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:], true); n > 0 {
			return i + 1 + n
		}
	}
	c, n := classAt(s, i)
	switch c {
	case letter:
		return skip(s, i+n, letter)
	case number:
		return scanNumber(s, i+n, digits-1)
	case other, space:
		if c2, n2 := classAt(s, i+n); n2 > 0 && c2 == letter {
			return skip(s, i+n+n2, letter)
		}
	}
	if end := scanOther(s, i); end > i {
		return skip(s, end, newline)
	}
	end, lineEnd := scanSpaces(s, i)
	if lineEnd >= 0 {
		return lineEnd
	}
	return end
}

// scanNumber skips up to limit more characters of class number from i.
func scanNumber(s string, i, limit int) int {
	for ; limit > 0; limit-- {
		c, n := classAt(s, i)
		if n == 0 || c != number {
			break
		}
		i += n
	}
	return i
}

// scanOther matches ` ?[^\s\p{L}\p{N}]+` at s[i], and returns i where it does not match.
func scanOther(s string, i int) int {
	j := i
	if s[i] == ' ' {
		j++
	}
	if end := skip(s, j, other); end > j {
		return end
	}
	return i
}

// contraction returns the length of s|t|re|ve|m|ll|d at the start of s, 0 where there is none. With fold, case
// does not matter, and U+017F (ſ) is an s, as in Unicode's simple case folding.
func contraction(s string, fold bool) int {
	if s == "" {
		return 0
	}
	lower := func(c byte) byte {
		if fold && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	switch lower(s[0]) {
	case 's', 't', 'm', 'd':
		return 1
	}
	if len(s) < 2 {
		return 0
	}
	switch a, b := lower(s[0]), lower(s[1]); {
	case a == 'r' && b == 'e', a == 'v' && b == 'e', a == 'l' && b == 'l':
		return 2
	case fold && s[:2] == "ſ":
		return 2
	}
	return 0
}

// The two overlapping character sets of Tekken's words, as a bit set.
const (
	upperSet = 1 << iota // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
	lowerSet             // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
)

var bothCases, upperCases, lowerCases = setOf("Lm", "Lo", "M"), setOf("Lu", "Lt"), setOf("Ll")

func tekkenSets(s string, i int) (sets, n int) {
	if i >= len(s) {
		return 0, 0
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	switch {
	case 'a' <= r && r <= 'z':
		return lowerSet, n
	case 'A' <= r && r <= 'Z':
		return upperSet, n
	case r < utf8.RuneSelf:
		return 0, n
	case bothCases.has(r):
		return upperSet | lowerSet, n
	case upperCases.has(r):
		return upperSet, n
	case lowerCases.has(r):
		return lowerSet, n
	}
	return 0, n
}

// tekkenWord matches U*L+ and, failing that, U+L* at s[i] (U, L: the two sets), and returns i where neither does.
// U is greedy and gives back, one character at a time, what L needs.
func tekkenWord(s string, i int) int {
	upperEnd, giveBack := i, -1 // giveBack: start of the last character of the U run that is also in L
	for {
		sets, n := tekkenSets(s, upperEnd)
		if n == 0 || sets&upperSet == 0 {
			break
		}
		if sets&lowerSet != 0 {
			giveBack = upperEnd
		}
		upperEnd += n
	}
	lowerFrom := func(j int) int {
		for {
			sets, n := tekkenSets(s, j)
			if n == 0 || sets&lowerSet == 0 {
				return j
			}
			j += n
		}
	}
	if end := lowerFrom(upperEnd); end > upperEnd {
		return end
	}
	if giveBack >= 0 {
		return lowerFrom(giveBack)
	}
	return upperEnd
}

func scanTekken(s string, i int) int {
	c, n := classAt(s, i)
	// The optional first character is tried before its absence, and each of the two word forms with it before
	// without it; a first character that is itself a mark can be either.
	if c == other || c == space {
		if end := tekkenPrefixed(s, i, n); end > i {
			return end
		}
	} else if end := tekkenWord(s, i); end > i {
		return end
	}
	if c == number {
		return i + n
	}
	if end := scanOther(s, i); end > i {
		for end < len(s) && (s[end] == '\r' || s[end] == '\n' || s[end] == '/') {
			end++
		}
		return end
	}
	end, lineEnd := scanSpaces(s, i)
	if lineEnd >= 0 {
		return lineEnd
	}
	return end
}

// tekkenPrefixed matches a word at s[i] whose first character, n bytes wide, is neither letter, number nor line
// end: the pattern's two alternatives in order, each first with that character as the optional one.
func tekkenPrefixed(s string, i, n int) int {
	if end, ok := tekkenFirst(s, i+n); ok {
		return end
	}
	if end, ok := tekkenFirst(s, i); ok {
		return end
	}
	if end := tekkenWord(s, i+n); end > i+n {
		return end
	}
	return tekkenWord(s, i)
}

// tekkenFirst matches U*L+ alone.
func tekkenFirst(s string, i int) (end int, ok bool) {
	sawLower := false
	for j := i; ; {
		sets, n := tekkenSets(s, j)
		if n == 0 || sets == 0 {
			break
		}
		if sets&lowerSet != 0 {
			sawLower = true
			break
		}
		j += n
	}
	if !sawLower {
		return i, false
	}
	return tekkenWord(s, i), true
}
