package tokenizer

import (
	"fmt"
	"strings"
	"time"

	sugar "github.com/sugarme/tokenizer"
	sugarnorm "github.com/sugarme/tokenizer/normalizer"
)

// A Tokenizer turns text into ids and back. It does not change after it is made, and is safe for concurrent use.
type Tokenizer struct {
	engine   *sugar.Tokenizer
	model    *model
	decoder  decoderChain
	spells   spelling
	addedIDs map[string]int // id of an added token, by content
	contents map[int]string // content of an added token, by id

	bos       int // −1 without one
	eos       []int
	addsBOS   bool
	templates map[string]string // chat templates by name; "default" is the one
	special   map[string]string // texts of special tokens by the names that templates know: bos_token, …
	now       func() time.Time  // for templates that write the date; nil: time.Now
	notes     []string
}

// Encode returns the ids of text. With special, what the model expects around a text (its BOS token, as a rule) is
// added. Special tokens that are written in the text are recognised either way, as in Hugging Face. Bytes that are
// not UTF-8 are read as U+FFFD; characters for which the vocabulary has neither tokens nor an unknown token are left
// out.
func (t *Tokenizer) Encode(text string, special bool) ([]int, error) {
	encoding, err := t.encoding(validUTF8(text))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: encode a text of %d bytes: %w", len(text), err)
	}
	encoding = t.engine.PostProcess(encoding, nil, special)
	ids := make([]int, 0, len(encoding.Ids))
	for _, id := range encoding.Ids {
		if id != dropped {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// encoding does the steps of sugarme's EncodeSingleSequence, which cannot be used as it is: it allocates several times
// for each byte of the text, to align two forms of it that are the same here.
func (t *Tokenizer) encoding(text string) (*sugar.Encoding, error) {
	pre := sugar.NewPreTokenizedStringFromNS(unaligned(text))
	pre, err := t.engine.GetPreTokenizer().PreTokenize(pre)
	if err != nil {
		return nil, err
	}
	pre, err = pre.Tokenize(func(word *sugarnorm.NormalizedString) ([]sugar.Token, error) {
		return t.model.Tokenize(word.GetNormalized())
	})
	if err != nil {
		return nil, err
	}
	return pre.IntoEncoding(0, -1, sugar.Byte)
}

// Decode returns the text of ids, without the special tokens if skipSpecial. Bytes that do not make a character
// become U+FFFD. It fails where no token has an id.
func (t *Tokenizer) Decode(ids []int, skipSpecial bool) (string, error) {
	kept := make([]int, 0, len(ids))
	for _, id := range ids {
		if _, ok := t.model.IdToToken(id); !ok {
			return "", t.unknownID(id)
		}
		if !skipSpecial || !t.IsSpecial(id) {
			kept = append(kept, id)
		}
	}
	// sugarme's own skipping goes by the text of a token, and knows none as special here.
	return t.engine.Decode(kept, false), nil
}

// Piece returns the bytes that one token stands for, which may be part of a character, with spaces as spaces
// (" the", not "Ġthe" or "▁the"), and the text of an added token. ok is false where no token has this id.
func (t *Tokenizer) Piece(id int) (piece string, ok bool) {
	if content, ok := t.contents[id]; ok {
		return content, true
	}
	token, ok := t.model.IdToToken(id)
	if !ok {
		return "", false
	}
	return t.spells.piece(token), true
}

// ID returns the id of the token whose Piece is piece: " Paris", "<|im_end|>".
func (t *Tokenizer) ID(piece string) (id int, ok bool) {
	for _, token := range append([]string{piece}, t.spells.tokens(piece)...) {
		id, ok = (*t.model.Vocab)[token]
		if !ok {
			id, ok = t.addedIDs[token]
		}
		if ok {
			if p, _ := t.Piece(id); p == piece {
				return id, true
			}
		}
	}
	return 0, false
}

// spelling says how the decoder spells the bytes of a token.
type spelling struct {
	byteLevel    bool
	byteFallback bool
	mark         string // stands for a space; "" if none does
}

func spellingOf(chain decoderChain) (s spelling) {
	for _, newStage := range chain {
		switch st := newStage().(type) {
		case *byteLevelStage:
			s.byteLevel = true
		case *byteFallbackStage:
			s.byteFallback = true
		case *metaspaceStage:
			s.mark = st.replacement
		case replaceStage:
			if st.to == " " {
				s.mark = st.from
			}
		}
	}
	return s
}

// piece returns the bytes of a token.
func (s spelling) piece(token string) string {
	if s.byteLevel {
		return string(appendTokenBytes(nil, token))
	}
	if s.byteFallback {
		if b, ok := byteToken(token); ok {
			return string([]byte{b})
		}
	}
	if s.mark != "" {
		return strings.ReplaceAll(token, s.mark, " ")
	}
	return token
}

// tokens returns the ways to spell piece, the likelier first.
func (s spelling) tokens(piece string) (tokens []string) {
	if s.byteLevel {
		return []string{string(appendByteLevel(nil, piece))}
	}
	if s.mark != "" {
		tokens = append(tokens, strings.ReplaceAll(piece, " ", s.mark))
	}
	if s.byteFallback && len(piece) == 1 {
		tokens = append(tokens, fmt.Sprintf("<0x%02X>", piece[0]))
	}
	return tokens
}

// IsSpecial reports whether id is a special token: one that Decode can leave out.
func (t *Tokenizer) IsSpecial(id int) bool {
	return id >= 0 && id < len(t.model.kind) && t.model.kind[id] == special
}

// Notes say what a user should be told of how the tokenizer was read.
func (t *Tokenizer) Notes() []string { return t.notes }

// VocabSize returns one more than the highest id. A model's d_vocab may be larger: rows that pad its matrices.
func (t *Tokenizer) VocabSize() int { return len(t.model.kind) }

// BOS returns the token that begins a text; ok is false if the files name none.
func (t *Tokenizer) BOS() (id int, ok bool) { return t.bos, t.bos >= 0 }

// EOS returns the tokens that end a text or a turn, in the order in which the files name them.
func (t *Tokenizer) EOS() []int { return append([]int(nil), t.eos...) }

// AddsBOS reports whether Encode(text, true) puts BOS first.
func (t *Tokenizer) AddsBOS() bool { return t.addsBOS }

// ChatTemplate returns the Jinja template of a conversation, "" without one.
func (t *Tokenizer) ChatTemplate() string { return t.templates["default"] }
