package tokenizer

import "unicode"

// Which characters are letters, digits, marks or words is what Hugging Face's library says, and not what the unicode
// package of the Go in use says: text in scripts that one of the two does not know yet would be cut elsewhere. Its tables
// are in zunicode.go, which tools/golden/unicode_tables.py writes; make fuzz-tokenizers holds the two against each other.

// A categorySet has a bit for each general category, in the order of categoryNames.
type categorySet uint32

var (
	letterSet = setOf("L")
	numberSet = setOf("N")
	wordSet   = setOf("L", "M", "Nd", "Nl", "Pc")
)

// setOf returns the categories whose names begin with one of the names: "Lu", or "L" for all letters.
func setOf(names ...string) (set categorySet) {
	for i, category := range categoryNames {
		for _, name := range names {
			if category == name || category[:1] == name {
				set |= 1 << i
			}
		}
	}
	return set
}

func (s categorySet) has(r rune) bool {
	return s&(1<<categoryPages[int(categoryIndex[r>>8])<<8|int(r&0xFF)]) != 0
}

// isNumeric is Rust's char::is_numeric, which Digits asks.
func isNumeric(r rune) bool { return numberSet.has(r) || unicode.Is(moreNumeric, r) }

// isWord is \w of Rust's regex crate (UTS #18, annex C), which added tokens ask.
func isWord(r rune) bool { return wordSet.has(r) || unicode.Is(moreWord, r) }

// isPatternWord is \w of oniguruma, which patterns ask, where it stands in no class.
func isPatternWord(r rune) bool {
	return wordSet.has(r) || unicode.Is(classWord, r) || unicode.Is(patternWord, r)
}
