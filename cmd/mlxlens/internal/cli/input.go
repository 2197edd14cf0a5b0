package cli

import (
	"fmt"
	"io"

	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// What a user gives as a text is bounded before anything is made of it: a prompt by what fits
// the longest context of a published model, ten million tokens (Llama 4 Scout), at three bytes a
// token; a file of prompts by what a program can hold.
const (
	maxPrompt  = 32 << 20
	maxPrompts = 1 << 30
)

// maxJoined bounds a corpus that is one text: wikitext-103 has 540 MB, of which nobody uses more
// than a part, and a tokenizer holds some ten times the bytes that it reads.
const maxJoined = 64 << 20

// openPrompts opens a file of texts, one a line; it may be a pipe.
func openPrompts(name string) (io.ReadCloser, error) {
	return regular.OpenText(name, maxPrompt, maxPrompts)
}

// openCorpus opens a file that is one text; it may be a pipe.
func openCorpus(name string) (io.ReadCloser, error) {
	return regular.OpenText(name, maxJoined, maxJoined)
}

// boundedPrompts is openPrompts of what comes on stdin.
func boundedPrompts(in io.Reader) io.Reader { return regular.Lines(in, maxPrompt, maxPrompts) }

// readPrompt reads a prompt from stdin, to its end.
func readPrompt(in io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxPrompt+1))
	if err != nil {
		return "", fmt.Errorf("stdin: %w", err)
	}
	if len(data) > maxPrompt {
		return "", fmt.Errorf("stdin: the prompt has more than %d bytes, and no model reads so long a one", maxPrompt)
	}
	return string(data), nil
}

// surelyEncoded is how many bytes are encoded in a moment.
const surelyEncoded = 1 << 20

// fitsContext refuses a long prompt before it is encoded, which would take long too: it has more
// bytes than the tokens that the model was made for can spell.
func fitsContext(prompt string, opened *auto.Opened) error {
	if len(prompt) <= surelyEncoded {
		return nil
	}
	longest, context := 1, opened.Model.Shape().Context
	for id := range opened.Tokenizer.VocabSize() {
		piece, _ := opened.Tokenizer.Piece(id)
		longest = max(longest, len(piece))
	}
	if len(prompt)/longest > context {
		limit, advice := contextWords(opened.Model.Shape())
		return fmt.Errorf("the prompt has %d bytes, and %s tokens of at most %d bytes each: %s", len(prompt), limit, longest, advice)
	}
	return nil
}

// tooLong refuses a prompt of more tokens than may be.
func tooLong(shape model.Shape, tokens int) error {
	if tokens <= shape.Context {
		return nil
	}
	limit, advice := contextWords(shape)
	return fmt.Errorf("the prompt has %d tokens, and %s: %s", tokens, limit, advice)
}

// contextWords say whose the bound on positions is, the model's or the user's, and what to do.
func contextWords(shape model.Shape) (limit, advice string) {
	if shape.MadeFor > 0 {
		return fmt.Sprintf("--context allows %d", shape.Context), "give a shorter one, or a larger --context"
	}
	return fmt.Sprintf("the model was made for %d", shape.Context), "give a shorter one, or allow more with --context"
}
