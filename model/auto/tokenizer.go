package auto

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// ErrNoTokenizer is what TokenizerErr wraps when the checkpoint simply has none.
var ErrNoTokenizer = errors.New("the model has no tokenizer")

func openTokenizer(ck *checkpoint.Checkpoint) (*tokenizer.Tokenizer, error) {
	if ck.Format == checkpoint.GGUF {
		if _, ok := ck.Metadata["tokenizer.ggml.tokens"]; !ok {
			return nil, fmt.Errorf("%w: %s has no tokenizer.ggml.tokens", ErrNoTokenizer, ck.Path)
		}
		t, err := tokenizer.FromGGUF(ck.Metadata)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ck.Path, err)
		}
		return t, nil
	}
	if _, err := os.Stat(filepath.Join(ck.Path, "tokenizer.json")); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no tokenizer.json", ErrNoTokenizer, ck.Path)
	}
	return tokenizer.Open(ck.Path)
}
