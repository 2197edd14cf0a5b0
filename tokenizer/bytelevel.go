package tokenizer

import "unicode/utf8"

// GPT-2's byte alphabet gives each byte a printable character: the printable bytes of Latin-1 stand for
// themselves, the other 68 for U+0100, U+0101, … in order (Radford et al. 2019, encoder.py bytes_to_unicode).
var (
	byteToChar = makeByteToChar() // byte → its character
	charToByte = makeCharToByte() // character → its byte, −1 where the alphabet lacks it
	byteToUTF8 = makeByteToUTF8() // byte → its character in UTF-8, one or two bytes
)

// alphabetEnd is one past the last character of the byte alphabet: 256 + the 68 bytes that are not printable.
const alphabetEnd = 256 + 68

func makeByteToChar() (table [256]rune) {
	next := rune(256)
	for b := range table {
		if '!' <= b && b <= '~' || 0xA1 <= b && b <= 0xAC || 0xAE <= b && b <= 0xFF {
			table[b] = rune(b)
			continue
		}
		table[b] = next
		next++
	}
	return table
}

func makeCharToByte() (table [alphabetEnd]int16) {
	for i := range table {
		table[i] = -1
	}
	for b, r := range byteToChar {
		table[r] = int16(b)
	}
	return table
}

func makeByteToUTF8() (table [256]string) {
	for b, r := range byteToChar {
		table[b] = string(r)
	}
	return table
}

// appendByteLevel appends the characters that stand for the bytes of s.
func appendByteLevel(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		dst = append(dst, byteToUTF8[s[i]]...)
	}
	return dst
}

// appendTokenBytes appends the bytes that a byte-level token stands for. A token with a character outside the
// alphabet (an added token, as a rule) stands for its own text, as in Hugging Face's ByteLevel decoder.
func appendTokenBytes(dst []byte, token string) []byte {
	start := len(dst)
	for _, r := range token {
		if r >= alphabetEnd || charToByte[r] < 0 {
			return append(dst[:start], token...)
		}
		dst = append(dst, byte(charToByte[r]))
	}
	return dst
}

type utf8State int

const (
	utf8Valid      utf8State = iota // one whole character
	utf8Invalid                     // a maximal part that no further byte can make valid
	utf8Incomplete                  // the text ends inside a character
)

// utf8Part measures the first character of s, which is not empty, or the maximal part of an ill-formed one
// (Unicode 15, section 3.9, table 3-7), which becomes one U+FFFD.
func utf8Part[T string | []byte](s T) (n int, state utf8State) {
	first := s[0]
	need, low, high := 0, byte(0x80), byte(0xBF)
	switch {
	case first < utf8.RuneSelf:
		return 1, utf8Valid
	case 0xC2 <= first && first <= 0xDF:
		need = 1
	case 0xE0 <= first && first <= 0xEF:
		need = 2
		if first == 0xE0 {
			low = 0xA0 // no overlong forms
		} else if first == 0xED {
			high = 0x9F // no surrogates
		}
	case 0xF0 <= first && first <= 0xF4:
		need = 3
		if first == 0xF0 {
			low = 0x90
		} else if first == 0xF4 {
			high = 0x8F // nothing above U+10FFFF
		}
	default:
		return 1, utf8Invalid
	}
	for i := 1; i <= need; i++ {
		if i == len(s) {
			return i, utf8Incomplete
		}
		if s[i] < low || s[i] > high {
			return i, utf8Invalid
		}
		low, high = 0x80, 0xBF
	}
	return need + 1, utf8Valid
}

// appendValid appends src to dst with each ill-formed part replaced by U+FFFD. Unless last, it stops before a
// character that src ends inside of; rest is what it left.
func appendValid[T string | []byte](dst []byte, src T, last bool) (out []byte, rest T) {
	for len(src) > 0 {
		n, state := utf8Part(src)
		switch {
		case state == utf8Valid:
			dst = append(dst, src[:n]...)
		case state == utf8Incomplete && !last:
			return dst, src
		default:
			dst = append(dst, "\uFFFD"...)
		}
		src = src[n:]
	}
	return dst, src
}

// validUTF8 returns s with each ill-formed part replaced by U+FFFD, as a text that came through Python or
// JavaScript would be.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out, _ := appendValid(make([]byte, 0, len(s)+8), s, true)
	return string(out)
}
