package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A stage is one decoder of Hugging Face's chain, in a form that takes the tokens as they come: what it has
// returned for a stream of calls, with last on the last, is what it returns for all tokens at once.
// It may reuse the slice that it is given.
type stage interface {
	next(tokens []string, last bool) []string
}

// A decoderChain makes the stages of one decoding.
type decoderChain []func() stage

func (c decoderChain) start() []stage {
	stages := make([]stage, len(c))
	for i, newStage := range c {
		stages[i] = newStage()
	}
	return stages
}

func run(stages []stage, tokens []string, last bool) string {
	for _, s := range stages {
		tokens = s.next(tokens, last)
	}
	return strings.Join(tokens, "")
}

// Decode implements sugarme's Decoder.
func (c decoderChain) Decode(tokens []string) string { return run(c.start(), tokens, true) }

// DecodeChain implements sugarme's Decoder.
func (c decoderChain) DecodeChain(tokens []string) []string { return []string{c.Decode(tokens)} }

// replaceStage rewrites each token.
type replaceStage struct{ from, to string }

func (s replaceStage) next(tokens []string, _ bool) []string {
	for i, t := range tokens {
		tokens[i] = strings.ReplaceAll(t, s.from, s.to)
	}
	return tokens
}

// byteFallbackStage joins a run of tokens <0x00>…<0xFF> to text. It keeps the run until its end: a run that is
// not valid as a whole becomes one U+FFFD for each byte.
type byteFallbackStage struct{ run []byte }

func (s *byteFallbackStage) next(tokens []string, last bool) []string {
	out := make([]string, 0, len(tokens))
	flush := func() {
		if len(s.run) == 0 {
			return
		}
		if utf8.Valid(s.run) {
			out = append(out, string(s.run))
		} else {
			out = append(out, strings.Repeat("\uFFFD", len(s.run)))
		}
		s.run = s.run[:0]
	}
	for _, t := range tokens {
		if b, ok := byteToken(t); ok {
			s.run = append(s.run, b)
			continue
		}
		flush()
		out = append(out, t)
	}
	if last {
		flush()
	}
	return out
}

// byteToken reads a token <0x00>…<0xFF>.
func byteToken(t string) (byte, bool) {
	if len(t) != 6 || t[:3] != "<0x" || t[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(t[3:5], 16, 8)
	return byte(b), err == nil
}

// byteLevelStage reads the byte alphabet and writes UTF-8, U+FFFD for each ill-formed part. It keeps the bytes of
// a character that is not whole yet.
type byteLevelStage struct{ held []byte }

func (s *byteLevelStage) next(tokens []string, last bool) []string {
	for _, t := range tokens {
		s.held = appendTokenBytes(s.held, t)
	}
	text, rest := appendValid(make([]byte, 0, len(s.held)), s.held, last)
	s.held = append(s.held[:0], rest...)
	return append(tokens[:0], string(text))
}

// metaspaceStage writes the replacement as a space, and leaves it out of the first token unless keepFirst.
type metaspaceStage struct {
	replacement string
	keepFirst   bool
	begun       bool
}

func (s *metaspaceStage) next(tokens []string, _ bool) []string {
	for i, t := range tokens {
		to := " "
		if !s.begun && !s.keepFirst {
			to = ""
		}
		s.begun = true
		tokens[i] = strings.ReplaceAll(t, s.replacement, to)
	}
	return tokens
}

// stripTokenStage takes up to start of char from the beginning and up to stop from the end of each token.
type stripTokenStage struct {
	char        string
	start, stop int
}

func (s stripTokenStage) next(tokens []string, _ bool) []string {
	for i, t := range tokens {
		for n := s.start; n > 0 && strings.HasPrefix(t, s.char); n-- {
			t = t[len(s.char):]
		}
		for n := s.stop; n > 0 && strings.HasSuffix(t, s.char); n-- {
			t = t[:len(t)-len(s.char)]
		}
		tokens[i] = t
	}
	return tokens
}

// stripTextStage takes up to start of char from the beginning of the whole text, and up to stop from its end:
// it keeps the last char until it knows that more follows.
type stripTextStage struct {
	char        string
	start, stop int
	held        string
}

func (s *stripTextStage) next(tokens []string, last bool) []string {
	text := s.held + strings.Join(tokens, "")
	for text != "" && s.start > 0 {
		if !strings.HasPrefix(text, s.char) {
			s.start = 0
			break
		}
		text = text[len(s.char):]
		s.start--
	}
	end := len(text)
	for n := s.stop; n > 0 && strings.HasSuffix(text[:end], s.char); n-- {
		end -= len(s.char)
	}
	s.held = text[end:]
	return append(tokens[:0], text[:end])
}

// joinStage separates tokens by a space: what Hugging Face does without a decoder.
type joinStage struct{ begun bool }

func (s *joinStage) next(tokens []string, _ bool) []string {
	for i, t := range tokens {
		if s.begun {
			tokens[i] = " " + t
		}
		s.begun = true
	}
	return tokens
}

// A Decoder turns ids into text one at a time, for streaming. What Add has returned, with Flush at the end, is
// Decode of the same ids. It never returns part of a character: bytes of one that is not whole yet wait for the
// next id. It is not safe for concurrent use.
type Decoder struct {
	// KeepSpecial shows special tokens (as Decode does with skipSpecial false); NewDecoder leaves them out.
	KeepSpecial bool

	t      *Tokenizer
	stages []stage
	token  [1]string
}

// NewDecoder returns a Decoder at the beginning of a text.
func (t *Tokenizer) NewDecoder() *Decoder {
	return &Decoder{t: t, stages: t.decoder.start()}
}

// Add returns the text that id completes, often all of its own, "" while a character is incomplete. It fails
// where no token has this id.
func (d *Decoder) Add(id int) (string, error) {
	token, ok := d.t.model.IdToToken(id)
	if !ok {
		return "", d.t.unknownID(id)
	}
	if !d.KeepSpecial && d.t.IsSpecial(id) {
		return "", nil
	}
	d.token[0] = token
	return run(d.stages, d.token[:], false), nil
}

// Flush returns what was kept back, an incomplete character as U+FFFD, and begins a new text.
func (d *Decoder) Flush() string {
	out := run(d.stages, nil, true)
	d.stages = d.t.decoder.start()
	return out
}

func (t *Tokenizer) unknownID(id int) error {
	return fmt.Errorf("tokenizer: decode: id %d has no token: ids run from 0 to %d", id, t.VocabSize()-1)
}
