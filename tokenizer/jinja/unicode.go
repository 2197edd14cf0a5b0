package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// isSpace is Python's str.isspace of a character, and \s of its expressions.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// isIdentifier is str.isidentifier.
func isIdentifier(s string) bool {
	for i, r := range s {
		start := r == '_' || unicode.IsLetter(r) || unicode.In(r, unicode.Nl, unicode.Other_ID_Start)
		if !start && (i == 0 || !unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue)) {
			return false
		}
	}
	return s != ""
}

func isLowerRune(r rune) bool { return unicode.In(r, unicode.Ll, unicode.Other_Lowercase) }

func isUpperRune(r rune) bool { return unicode.In(r, unicode.Lu, unicode.Other_Uppercase) }

func isCased(r rune) bool { return isLowerRune(r) || isUpperRune(r) || unicode.In(r, unicode.Lt) }

// The mappings of one character to what may be several. Casers are made for each call: they have a state.
func upperRune(r rune) string { return mapRune(r, cases.Upper(language.Und)) }

func titleRune(r rune) string { return mapRune(r, cases.Title(language.Und)) }

func lowerRune(r rune) string {
	return mapRune(r, cases.Lower(language.Und, cases.HandleFinalSigma(false)))
}

func mapRune(r rune, c cases.Caser) string { return c.String(string(r)) }

func upper(s string) string {
	return mapText(s, upperRune, unicode.ToUpper)
}

// mapText maps each character, those of ASCII in short.
func mapText(s string, full func(rune) string, short func(rune) rune) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(short(r))
		} else {
			b.WriteString(full(r))
		}
	}
	return b.String()
}

// lower is str.lower: a sigma that ends a word is ς.
func lower(s string) string {
	if strings.ContainsRune(s, 'Σ') {
		runes := []rune(s)
		var b strings.Builder
		for i, r := range runes {
			b.WriteString(lowerAt(runes, i, r))
		}
		return b.String()
	}
	return mapText(s, lowerRune, unicode.ToLower)
}

// lowerAt is the lower case of a character in its place.
func lowerAt(runes []rune, i int, r rune) string {
	if r != 'Σ' {
		return lowerRune(r)
	}
	before, after := i-1, i+1
	for before >= 0 && isCaseIgnorable(runes[before]) {
		before--
	}
	for after < len(runes) && isCaseIgnorable(runes[after]) {
		after++
	}
	if before >= 0 && isCased(runes[before]) && (after == len(runes) || !isCased(runes[after])) {
		return "ς"
	}
	return "σ"
}

func isCaseIgnorable(r rune) bool {
	return strings.ContainsRune("'.:^`¨\u00ad·´¯¸", r) || unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("՟״‘’․‧﹒﹓﹕＇．：·", r)
}

// capitalize is str.capitalize.
func capitalize(s string) string {
	runes := []rune(s)
	var b strings.Builder
	for i, r := range runes {
		if i == 0 {
			b.WriteString(titleRune(r))
		} else {
			b.WriteString(lowerAt(runes, i, r))
		}
	}
	return b.String()
}

// title is str.title: what follows a cased character is in lower case.
func title(s string) string {
	runes := []rune(s)
	var b strings.Builder
	cased := false
	for i, r := range runes {
		if cased {
			b.WriteString(lowerAt(runes, i, r))
		} else {
			b.WriteString(titleRune(r))
		}
		cased = isCased(r)
	}
	return b.String()
}

// casefold is str.casefold. Cherokee folds to its capitals, which x/text has the other way round.
func casefold(s string) string {
	return mapText(s, func(r rune) string {
		switch {
		case r >= 0x13a0 && r <= 0x13f5:
			return string(r)
		case r >= 0x13f8 && r <= 0x13fd:
			return string(r - 8)
		case r >= 0xab70 && r <= 0xabbf:
			return string(r - 0xab70 + 0x13a0)
		}
		return mapRune(r, cases.Fold())
	}, unicode.ToLower)
}

func swapcase(s string) string {
	runes := []rune(s)
	var b strings.Builder
	for i, r := range runes {
		switch {
		case isUpperRune(r):
			b.WriteString(lowerAt(runes, i, r))
		case isLowerRune(r):
			b.WriteString(upperRune(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hasCase reports whether s has a character that counts and none that must not be there: islower and isupper.
func hasCase(s string, want, not func(rune) bool) bool {
	found := false
	for _, r := range s {
		if not(r) || unicode.In(r, unicode.Lt) {
			return false
		}
		found = found || want(r)
	}
	return found
}

func isTitle(s string) bool {
	cased, found := false, false
	for _, r := range s {
		switch {
		case isUpperRune(r) || unicode.In(r, unicode.Lt):
			if cased {
				return false
			}
			cased, found = true, true
		case isLowerRune(r):
			if !cased {
				return false
			}
			found = true
		default:
			cased = false
		}
	}
	return found
}

// every reports whether s is not empty and each character has a property.
func every(s string, is func(rune) bool) bool {
	for _, r := range s {
		if !is(r) {
			return false
		}
	}
	return s != ""
}

// isDigitRune is str.isdigit: decimal digits, and those that are raised, lowered or in circles.
func isDigitRune(r rune) bool { return unicode.IsDigit(r) || unicode.Is(numericDigits, r) }

// numericDigits have Numeric_Type=Digit in Unicode's DerivedNumericType.
var numericDigits = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0xb2, 0xb3, 1}, {0xb9, 0xb9, 1}, {0x1369, 0x1371, 1}, {0x19da, 0x19da, 1}, {0x2070, 0x2070, 1}, {0x2074, 0x2079, 1}, {0x2080, 0x2089, 1},
		{0x2460, 0x2468, 1}, {0x2474, 0x247c, 1}, {0x2488, 0x2490, 1}, {0x24ea, 0x24ea, 1}, {0x24f5, 0x24fd, 1}, {0x24ff, 0x24ff, 1},
		{0x2776, 0x277e, 1}, {0x2780, 0x2788, 1}, {0x278a, 0x2792, 1},
	},
	R32: []unicode.Range32{{0x10a40, 0x10a43, 1}, {0x10e60, 0x10e68, 1}, {0x11052, 0x1105a, 1}, {0x1f100, 0x1f10a, 1}},
}

// isNumericRune is str.isnumeric, the characters of Chinese numbers apart.
func isNumericRune(r rune) bool {
	if unicode.Is(unicode.Han, r) && unicode.IsLetter(r) {
		refuse("isnumeric or isalnum of Chinese characters", "test them with isdecimal or isalpha")
	}
	return unicode.IsNumber(r)
}

// splitlines is str.splitlines.
func splitlines(s string, keep bool) []string {
	var out []string
	for start := 0; start < len(s); {
		end := strings.IndexFunc(s[start:], func(r rune) bool {
			return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
		})
		if end < 0 {
			return append(out, s[start:])
		}
		end += start
		_, n := utf8.DecodeRuneInString(s[end:])
		if strings.HasPrefix(s[end:], "\r\n") {
			n = 2
		}
		if keep {
			out = append(out, s[start:end+n])
		} else {
			out = append(out, s[start:end])
		}
		start = end + n
	}
	return out
}
