package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mlxlens/mlxlens/internal/regular"
)

// The largest files of published models are a tokenizer.json of 34 MB (Gemma 3) and a chat template of 20 kB.
const (
	maxFile     = 256 << 20
	maxTemplate = 1 << 20
)

// Open reads a tokenizer from a directory of Hugging Face's layout, or from the path of its tokenizer.json. Beside
// that file it reads tokenizer_config.json, special_tokens_map.json, generation_config.json and chat_template.jinja
// where they exist: they name BOS and EOS and hold the chat template.
func Open(dir string) (*Tokenizer, error) {
	path := dir
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		path = filepath.Join(dir, "tokenizer.json")
	}
	data, err := regular.Read(path, maxFile)
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
	t, err := p.tokenizer()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	dir = filepath.Dir(path)
	var names config
	for _, name := range []string{"tokenizer_config.json", "special_tokens_map.json", "generation_config.json"} {
		path := filepath.Join(dir, name)
		data, err := regular.Read(path, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = names.merge(data)
		}
		if err != nil {
			return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
		}
	}
	template, err := regular.Read(filepath.Join(dir, "chat_template.jinja"), maxTemplate)
	if err == nil {
		names.template = string(template)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tokenizer: %s: %w", filepath.Join(dir, "chat_template.jinja"), err)
	}
	if err := t.name(p, names); err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", dir, err)
	}
	return t, nil
}

// FromJSON reads a tokenizer from the contents of tokenizer.json and, unless nil, of tokenizer_config.json.
func FromJSON(tokenizerJSON, tokenizerConfigJSON []byte) (*Tokenizer, error) {
	p, err := parseJSON(tokenizerJSON)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: tokenizer.json: %w", err)
	}
	t, err := p.tokenizer()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: tokenizer.json: %w", err)
	}
	var names config
	if tokenizerConfigJSON != nil {
		if err := names.merge(tokenizerConfigJSON); err != nil {
			return nil, fmt.Errorf("tokenizer: tokenizer_config.json: %w", err)
		}
	}
	if err := t.name(p, names); err != nil {
		return nil, fmt.Errorf("tokenizer: tokenizer_config.json: %w", err)
	}
	return t, nil
}
