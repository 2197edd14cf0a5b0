package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mlxlens/mlxlens/internal/regular"
)

// file is the layout of tokenizer.json. Its truncation and padding are for training and batches: they are not
// applied, as transformers does not unless asked.
type file struct {
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         *modelFile      `json:"model"`
}

// parseJSON reads tokenizer.json.
func parseJSON(data []byte) (*parts, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, describeJSON(data, err)
	}
	if f.Model == nil {
		return nil, errors.New("it has no model, so it is not a tokenizer.json of Hugging Face")
	}
	p := &parts{added: f.AddedTokens}
	if err := p.readModel(f.Model); err != nil {
		return nil, err
	}
	var err error
	if p.normalize, err = readNormalizer(f.Normalizer, new(partCount)); err != nil {
		return nil, err
	}
	if p.steps, err = readPreTokenizer(f.PreTokenizer, new(partCount)); err != nil {
		return nil, err
	}
	if err = p.readPostProcessor(f.PostProcessor, new(partCount)); err != nil {
		return nil, err
	}
	if p.decoder, err = readDecoder(f.Decoder, new(partCount)); err != nil {
		return nil, err
	}
	return p, nil
}

// describeJSON says what is wrong with a file that encoding/json rejects, and what to do about it.
func describeJSON(data []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	wrongText := regular.CheckUTF8(data)
	switch {
	case wrongText != nil:
		return wrongText
	case len(bytes.TrimSpace(data)) == 0:
		return errors.New("the file is empty: download it again")
	case bytes.HasPrefix(data, []byte("version https://git-lfs")):
		return errors.New("it is a Git LFS pointer, not the file itself: download it again (git lfs pull)")
	case errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input":
		return fmt.Errorf("the JSON ends early, after %d bytes: the file is truncated, download it again", len(data))
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d of %d (%v): the file is corrupt, download it again", syntax.Offset, len(data), syntax)
	case errors.As(err, &kind):
		want := jsonKind(kind.Type.Kind().String())
		if strings.HasPrefix(kind.Value, "number") && want == "a number" {
			want = "another: a whole one, or one that 64 bits hold"
		}
		if kind.Field == "" {
			return fmt.Errorf("it holds a JSON %s, want %s: the file is corrupt, download it again", kind.Value, want)
		}
		return fmt.Errorf("%q holds a JSON %s at byte %d, want %s: the file is corrupt, download it again", kind.Field, kind.Value, kind.Offset, want)
	}
	return err
}

// jsonKind names a Go kind as JSON does.
func jsonKind(kind string) string {
	switch kind {
	case "struct", "map":
		return "an object"
	case "slice":
		return "a list"
	case "bool":
		return "true or false"
	case "string":
		return "a string"
	}
	return "a number"
}

// unknownComponent is the error of a component that the file names and this package does not know.
func unknownComponent(where, kind string, have ...string) error {
	if kind == "" {
		return fmt.Errorf("a %s has no type (have: %s)", where, strings.Join(have, ", "))
	}
	return fmt.Errorf("%s type %q is not implemented (have: %s)", where, kind, strings.Join(have, ", "))
}

// partCount counts the components of one kind, those within others too.
type partCount int

func (n *partCount) add(where string) error {
	if *n++; *n > mostParts {
		return fmt.Errorf("%s has more than %d components: the file is damaged or hostile", where, mostParts)
	}
	return nil
}

// component is the part of a component that says what the rest is.
type component struct {
	Type string `json:"type"`
}

// decodeInto reads a component's own fields.
func decodeInto(raw json.RawMessage, where string, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", where, describeJSON(raw, err))
	}
	return nil
}

func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(bytes.TrimSpace(raw)) == "null"
}

// textPattern is {"String": s} or {"Regex": s}.
type textPattern struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}
