package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/internal/regular"
)

// The largest files of published models are a tokenizer.json of 34 MB (Gemma 3) and a chat template of 20 kB.
const (
	maxFile     = 256 << 20
	maxTemplate = 1 << 20
)

// Open reads a tokenizer from a directory of Hugging Face's layout, or from the path of its tokenizer.json. Beside
// that file it reads tokenizer_config.json, special_tokens_map.json, added_tokens.json, generation_config.json,
// chat_template.jinja and chat_template.json where they exist: they name the special tokens, hold the chat templates, and may
// have tokens that it lacks.
func Open(dir string) (*Tokenizer, error) {
	path := dir
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		path = filepath.Join(dir, "tokenizer.json")
	}
	data, err := readJSON(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tokenizer: %s does not exist: give a directory with a tokenizer.json, or the file itself", path)
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	p, err := parseJSON(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	dir = filepath.Dir(path)
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	if err := names.readTemplates(dir); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := p.named(names)
	var bad namingError
	switch {
	case errors.As(err, &bad):
		return nil, fmt.Errorf("tokenizer: %s: %w", dir, err)
	case err != nil:
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return t, nil
}

// readJSON reads a file in which no key may stand twice.
func readJSON(path string) ([]byte, error) {
	data, err := regular.Read(path, maxFile)
	if err == nil {
		err = exactjson.Repeated(data)
	}
	return data, err
}

// readNames reads the files beside tokenizer.json.
func readNames(dir string) (names config, err error) {
	for _, file := range []struct {
		name  string
		merge func(data []byte) error
	}{
		{"tokenizer_config.json", names.mergeTokens},
		{"special_tokens_map.json", names.mergeSpecialTokensMap},
		{"added_tokens.json", names.mergeAddedTokens},
		{"generation_config.json", names.merge},
	} {
		path := filepath.Join(dir, file.name)
		names.file = file.name
		data, err := readJSON(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = file.merge(data)
		}
		if err != nil {
			return names, fmt.Errorf("tokenizer: %s: %w", path, err)
		}
	}
	return names, nil
}

// A namingError is one of the files beside tokenizer.json.
type namingError struct{ error }

// named puts a tokenizer together, with the tokens and names of the files beside its own.
func (p *parts) named(names config) (*Tokenizer, error) {
	if err := p.addOthers(names); err != nil {
		return nil, namingError{err}
	}
	t, err := p.tokenizer()
	if err != nil {
		return nil, err
	}
	if err := t.name(p, names); err != nil {
		return nil, namingError{err}
	}
	return t, nil
}

// readTemplates reads the files that hold chat templates alone: chat_template.jinja and those of the folder
// additional_chat_templates stand before tokenizer_config.json, and that before the chat_template.json of a processor.
func (c *config) readTemplates(dir string) error {
	found := map[string]string{}
	others, err := filepath.Glob(filepath.Join(dir, "additional_chat_templates", "*.jinja"))
	if err != nil {
		return err
	}
	for _, path := range append(others, filepath.Join(dir, "chat_template.jinja")) {
		text, err := regular.Read(path, maxTemplate)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".jinja")
		if name == "chat_template" {
			name = "default"
		}
		found[name] = string(text)
	}
	if len(found) > 0 {
		c.templates = found
	}
	if len(c.templates) > 0 {
		return nil
	}
	path := filepath.Join(dir, "chat_template.json")
	data, err := readJSON(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var f struct {
		Template json.RawMessage `json:"chat_template"`
	}
	if err == nil {
		if err = json.Unmarshal(data, &f); err == nil {
			err = c.mergeTemplates(f.Template)
		} else {
			err = describeJSON(data, err)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// FromJSON reads a tokenizer from the contents of tokenizer.json and, unless nil, of tokenizer_config.json.
func FromJSON(tokenizerJSON, tokenizerConfigJSON []byte) (*Tokenizer, error) {
	if err := exactjson.Repeated(tokenizerJSON); err != nil {
		return nil, fmt.Errorf("tokenizer: tokenizer.json: %w", err)
	}
	p, err := parseJSON(tokenizerJSON)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: tokenizer.json: %w", err)
	}
	names := config{file: "tokenizer_config.json"}
	if tokenizerConfigJSON != nil {
		err := exactjson.Repeated(tokenizerConfigJSON)
		if err == nil {
			err = names.mergeTokens(tokenizerConfigJSON)
		}
		if err != nil {
			return nil, fmt.Errorf("tokenizer: tokenizer_config.json: %w", err)
		}
	}
	t, err := p.named(names)
	var bad namingError
	switch {
	case errors.As(err, &bad):
		return nil, fmt.Errorf("tokenizer: %w", err)
	case err != nil:
		return nil, fmt.Errorf("tokenizer: tokenizer.json: %w", err)
	}
	return t, nil
}
