package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/sparse"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// Directions of tokens are written [LENS:]TOKEN[,TOKEN…]; a TOKEN is "TEXT", with JSON's escapes, or <ID>.
var (
	tokenText     = `(?:"(?:[^"\\]|\\.)*"|<[0-9]+>)`
	directionsArg = regexp.MustCompile(`^(?:(.+):)?(` + tokenText + `(?:,` + tokenText + `)*)$`)
	oneToken      = regexp.MustCompile(tokenText)
)

// tokenDirections cuts the argument of an edit that names directions of tokens into the lens, "" being the
// logit lens, and the tokens.
func tokenDirections(arg string) (path string, tokens []string, ok bool) {
	parts := directionsArg.FindStringSubmatch(arg)
	if parts == nil {
		return "", nil, false
	}
	return parts[1], oneToken.FindAllString(parts[2], -1), true
}

// namesLens reports whether an edit is in the coordinates of a lens that has a file.
func namesLens(text string) bool {
	_, what, _ := strings.Cut(text, "=")
	_, arg, _ := strings.Cut(what, ":")
	value, _, _ := edit.CutFactor(arg)
	path, _, _ := tokenDirections(value)
	return path != "" && !(&lensFlags{path: path}).named()
}

// directionFiles are the files that directions come from, of tokens those of the lens, of a feature the
// dictionary's; nil for what is no direction, or of the model's own.
func directionFiles(arg string) []string {
	if path, _, ok := tokenDirections(arg); ok {
		if path == "" || (&lensFlags{path: path}).named() {
			return nil
		}
		return lensFiles(path)
	}
	if parts := featureArg.FindStringSubmatch(arg); parts != nil {
		return sparse.Files(cachedFiles(parts[1]))
	}
	return nil
}

// ofTokens are the directions of tokens at a place, by a lens.
func (e *editor) ofTokens(path string, tokens []string, at model.Place) (edit.Value, error) {
	key := strings.Join(append([]string{at.String(), path}, tokens...), " ")
	if v, ok := e.directions[key]; ok {
		return v, nil
	}
	ids := make([]int, len(tokens))
	for i, text := range tokens {
		var err error
		if ids[i], err = tokenID(e.opened.Tokenizer, text); err != nil {
			return edit.Value{}, err
		}
	}
	var reader lens.Translator
	if path != "" {
		t, done, err := (&lensFlags{path: path, any: e.any}).reader(e.s, e.opened)
		if err != nil {
			return edit.Value{}, &states.FileError{Err: err}
		}
		defer done()
		reader = t
	}
	v, err := lens.Directions(e.opened.Model, reader, at, ids)
	if err != nil {
		return v, err
	}
	v.Rows = true
	if len(ids) == 1 {
		v = edit.Vector(v.Data)
	}
	e.directions[key] = v
	return v, nil
}

// tokenID is the id of a token that is written "TEXT" or <ID>. The text is the token's own: what a tokenizer
// would make of another is not taken for it.
func tokenID(t *tokenizer.Tokenizer, written string) (int, error) {
	if number, ok := strings.CutPrefix(written, "<"); ok {
		return strconv.Atoi(strings.TrimSuffix(number, ">"))
	}
	var text string
	if err := json.Unmarshal([]byte(written), &text); err != nil {
		return 0, fmt.Errorf("the token %s is not in quotes as in JSON: %w", written, err)
	}
	if t == nil {
		return 0, errors.New("the model has no tokenizer: write tokens as numbers, <504>")
	}
	if id, ok := t.ID(text); ok {
		return id, nil
	}
	ids, err := t.Encode(text, false)
	if err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("no token has the text %q: it is %d tokens (%s); name one of them", text, len(ids), pieces(t, ids))
}
