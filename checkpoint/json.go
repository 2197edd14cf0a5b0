package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/internal/regular"
)

// readObject reads a JSON object and calls field for each key, which must read the
// value. A key that stands twice is an error.
func readObject(dec *json.Decoder, what string, field func(key string) error) error {
	token, err := dec.Token()
	if err != nil {
		return badJSON(what, err)
	}
	if token != json.Delim('{') {
		return fmt.Errorf("%s is not a JSON object", what)
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return badJSON(what, err)
		}
		key := token.(string) // the decoder lets nothing else stand for a key
		if seen[key] {
			return fmt.Errorf("%s has the key %q twice", what, key)
		}
		seen[key] = true
		if err := field(key); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return badJSON(what, err)
	}
	return nil
}

// readInts reads a JSON array of at most limit non-negative integers.
func readInts(dec *json.Decoder, what, key string, limit int) ([]int, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, badJSON(what, err)
	}
	if token != json.Delim('[') {
		return nil, fmt.Errorf("%s has a %s that is not an array", what, key)
	}
	ints := []int{}
	for dec.More() {
		if len(ints) == limit {
			return nil, fmt.Errorf("%s has more than %d numbers in %s", what, limit, key)
		}
		token, err := dec.Token()
		if err != nil {
			return nil, badJSON(what, err)
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%s has %v in %s, which is not a number", what, token, key)
		}
		n, err := strconv.ParseUint(number.String(), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%s has %s in %s, which is not an integer from 0 to 2^63-1", what, number, key)
		}
		ints = append(ints, int(n))
	}
	if _, err := dec.Token(); err != nil {
		return nil, badJSON(what, err)
	}
	return ints, nil
}

func badJSON(what string, err error) error {
	if exactjson.EndsTooSoon(err) {
		return fmt.Errorf("%s is not JSON: it ends too soon", what)
	}
	return fmt.Errorf("%s is not JSON: %w", what, err)
}

// maxJSON bounds the configuration and index files that are read whole; the index of
// a model with 10⁵ tensors has 10 MB.
const maxJSON = 256 << 20

// readJSON reads a file that must hold one JSON object, in which infinities may stand as Python's json
// writes them ([exactjson.Standard]), and no key twice in one object.
func readJSON(path string) ([]byte, error) {
	text, err := regular.Read(path, maxJSON)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	for _, check := range []func([]byte) error{checkContent, regular.CheckUTF8, exactjson.Repeated} {
		if err := check(text); err != nil {
			return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
		}
	}
	text = exactjson.Standard(text)
	dec := json.NewDecoder(bytes.NewReader(text))
	var object map[string]json.RawMessage
	if err := dec.Decode(&object); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("checkpoint: %s: %w", path, badJSON("the file", err))
		}
		return nil, fmt.Errorf("checkpoint: %s: the file is not a JSON object", path)
	}
	if _, err := dec.Token(); err != io.EOF || object == nil {
		return nil, fmt.Errorf("checkpoint: %s: the file is not one JSON object", path)
	}
	return text, nil
}
