package exactjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// deepest is how deep encoding/json reads: what is deeper has its error there.
const deepest = 10_000

// Repeated returns an error that names a key which stands twice in an object of a JSON text: Python
// and encoding/json take the last, others the first or neither. nil for what is no JSON, which is for
// its reader to judge. It goes over the text once, and keeps 8 bytes of each key.
func Repeated(text []byte) error {
	if !mayRepeat(text) {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(Standard(text)))
	d.UseNumber() // of any size: what is no float64 is for its reader
	var twice repeatedError
	if errors.As(findRepeated(d, "", 0), &twice) {
		return twice
	}
	return nil
}

// A repeatedError is the path of a key that stands twice.
type repeatedError string

func (r repeatedError) Error() string {
	return fmt.Sprintf("it has %q twice: programs differ in which they read; remove one", string(r))
}

// mayRepeat compares the keys of each object by their hashes: one object may have 10⁵.
func mayRepeat(text []byte) bool {
	seed := maphash.MakeSeed()
	var hashes []uint64 // of the keys of the objects that are open
	var open []int      // where those of each begin
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			open = append(open, len(hashes))
			if len(open) > deepest {
				return false
			}
		case '}':
			if len(open) == 0 {
				return false
			}
			begin := open[len(open)-1]
			keys := hashes[begin:]
			slices.Sort(keys)
			for k := 1; k < len(keys); k++ {
				if keys[k] == keys[k-1] {
					return true
				}
			}
			hashes, open = hashes[:begin], open[:len(open)-1]
		case '"':
			end := endOfText(text, i+1)
			if end < 0 {
				return false
			}
			if len(open) > 0 && isKey(text[end+1:]) {
				hashes = append(hashes, hashOf(seed, text[i:end+1]))
			}
			i = end
		}
	}
	return false
}

// endOfText returns where the quote stands that ends a text, −1 if nowhere.
func endOfText(text []byte, from int) int {
	for at := from; ; at++ {
		n := bytes.IndexByte(text[at:], '"')
		if n < 0 {
			return -1
		}
		at += n
		before := at
		for before > from && text[before-1] == '\\' {
			before--
		}
		if (at-before)%2 == 0 {
			return at
		}
	}
}

// isKey reports whether a colon follows.
func isKey(rest []byte) bool {
	for _, c := range rest {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == ':'
		}
	}
	return false
}

// hashOf is that of what a quoted text says, however it is escaped; half a pair of UTF-16 says what
// stands there.
func hashOf(seed maphash.Seed, quoted []byte) uint64 {
	if bytes.IndexByte(quoted, '\\') >= 0 {
		var key string
		if json.Unmarshal(quoted, &key) == nil && !strings.Contains(key, "\ufffd") {
			return maphash.String(seed, key)
		}
	}
	return maphash.Bytes(seed, quoted[1:len(quoted)-1])
}

var errNotJSON = errors.New("no JSON")

// findRepeated walks one value, which stands at a path.
func findRepeated(d *json.Decoder, path string, depth int) error {
	token, err := d.Token()
	if err != nil || depth > deepest {
		return errNotJSON
	}
	switch token {
	case json.Delim('['):
		for n := 0; d.More(); n++ {
			if err := findRepeated(d, fmt.Sprintf("%s[%d]", path, n), depth+1); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			token, err := d.Token()
			key, ok := token.(string)
			if err != nil || !ok {
				return errNotJSON
			}
			at := strings.TrimPrefix(path+"."+key, ".")
			if seen[key] {
				return repeatedError(at)
			}
			seen[key] = true
			if err := findRepeated(d, at, depth+1); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token() // the end
	return err
}
