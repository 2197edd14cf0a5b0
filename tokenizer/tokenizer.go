package tokenizer

import (
	"fmt"
	"strings"

	sugar "github.com/sugarme/tokenizer"
	sugarmodel "github.com/sugarme/tokenizer/model"
	"github.com/sugarme/tokenizer/model/bpe"
	sugarnorm "github.com/sugarme/tokenizer/normalizer"
	"github.com/sugarme/tokenizer/processor"
)

// A Tokenizer turns text into ids and back. It does not change after it is made, and is safe for concurrent use.
type Tokenizer struct {
	engine   *sugar.Tokenizer
	model    *model
	decoder  decoderChain
	spells   spelling
	addedIDs map[string]int // id of an added token, by content
	contents map[int]string // content of an added token, by id

	bos          int // −1 without one
	eos          []int
	addsBOS      bool
	chatTemplate string
	bosText      string // as the chat template writes them
	eosText      string
}

// parts are a tokenizer as a file describes it, whatever the file's format.
type parts struct {
	vocab  map[string]int
	merges bpe.Merges
	added  []addedToken

	unknown                                 int // −1 without one
	fuseUnknown, byteFallback, ignoreMerges bool

	normalize normalizer // may be nil
	steps     []step
	template  *template // may be nil
	decoder   decoderChain
}

// template is the ids that go around a text.
type template struct {
	before, after []int
	hasText       bool
}

func (t *template) add(ids ...int) {
	if t.hasText {
		t.after = append(t.after, ids...)
	} else {
		t.before = append(t.before, ids...)
	}
}

// assemble checks what the parts say of each other and puts them together.
func (p *parts) assemble() (*Tokenizer, error) {
	last := -1
	for _, id := range p.vocab {
		last = max(last, id)
	}
	for _, t := range p.added {
		if t.ID < 0 || t.ID > maxID {
			return nil, fmt.Errorf("added token %q has id %d, want 0 to %d", t.Content, t.ID, maxID)
		}
		last = max(last, t.ID)
	}
	m := &model{
		BPE: bpe.BPE{
			Vocab: (*sugarmodel.Vocab)(&p.vocab), VocabR: &sugarmodel.VocabR{}, Merges: &p.merges,
			Cache: bpe.NewCache(bpe.DefaultCacheCapacity),
		},
		text: make([]string, last+1), kind: make([]tokenKind, last+1),
		ignoreMerges: p.ignoreMerges, byteFallback: p.byteFallback, fuseUnknown: p.fuseUnknown, unknown: p.unknown,
	}
	for token, id := range p.vocab {
		if m.kind[id] != absent {
			return nil, fmt.Errorf("the vocabulary has two tokens with id %d: %q and %q", id, token, m.text[id])
		}
		m.text[id], m.kind[id] = token, normal
	}
	t := &Tokenizer{
		model: m, decoder: p.decoder, spells: spellingOf(p.decoder), bos: -1,
		addedIDs: make(map[string]int, len(p.added)), contents: make(map[int]string, len(p.added)),
	}
	raw, normalized, err := t.addTokens(p)
	if err != nil {
		return nil, err
	}
	if p.byteFallback {
		m.findByteTokens()
	}
	t.engine = sugar.NewTokenizer(m)
	t.engine.WithPreTokenizer(&preTokenizer{
		raw: newMatcher(raw, nil), normalize: p.normalize, normalized: newMatcher(normalized, p.normalize), steps: p.steps,
	})
	t.engine.WithDecoder(p.decoder)
	if p.template != nil {
		for _, id := range append(append([]int(nil), p.template.before...), p.template.after...) {
			if id < 0 || id > last || m.kind[id] == absent {
				return nil, fmt.Errorf("post_processor adds id %d, which has no token", id)
			}
		}
		t.engine.WithPostProcessor(p.template.processor())
	}
	return t, nil
}

// addTokens registers added tokens with the model, and returns those to look for in the text as given and in the
// normalized text. Special tokens come first: of two with one text Hugging Face takes the special.
func (t *Tokenizer) addTokens(p *parts) (raw, normalized []addedToken, err error) {
	m := t.model
	for _, wantSpecial := range []bool{true, false} {
		for _, a := range sortedByID(p.added) {
			if a.Special != wantSpecial || a.Content == "" {
				continue
			}
			if have, ok := t.contents[a.ID]; ok && have != a.Content || !ok && m.kind[a.ID] != absent && m.text[a.ID] != a.Content {
				return nil, nil, fmt.Errorf("added token %q has the id %d of token %q", a.Content, a.ID, m.text[a.ID])
			}
			id, ok := p.vocab[a.Content]
			if !ok {
				id, ok = t.addedIDs[a.Content]
			}
			if ok && id != a.ID {
				return nil, nil, fmt.Errorf("added token %q has two ids, %d and %d", a.Content, id, a.ID)
			}
			if t.contents[a.ID] == a.Content {
				continue // listed twice
			}
			t.addedIDs[a.Content], t.contents[a.ID] = a.ID, a.Content
			m.text[a.ID], m.kind[a.ID] = a.Content, added
			if a.Special {
				m.kind[a.ID] = special
			}
			if !a.Normalized {
				raw = append(raw, a)
				continue
			}
			normalized = append(normalized, a)
			if p.normalize != nil {
				m.text[a.ID] = p.normalize(a.Content) // what Hugging Face decodes it to
			}
		}
	}
	return raw, normalized, nil
}

// processor is the template as sugarme's TemplateProcessing.
func (t *template) processor() *processor.TemplateProcessing {
	around := func(name string, ids []int) *processor.SpecialToken {
		return processor.NewSpecialToken(name, ids, make([]string, len(ids)))
	}
	single := processor.Template{
		processor.NewSpecialTokenPiece("before", 0), processor.NewSequencePiece("A", 0), processor.NewSpecialTokenPiece("after", 0),
	}
	return processor.NewTemplateProcessing(single, nil,
		processor.NewTokensFrom([]processor.SpecialToken{*around("before", t.before), *around("after", t.after)}))
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

// VocabSize returns one more than the highest id. A model's d_vocab may be larger: rows that pad its matrices.
func (t *Tokenizer) VocabSize() int { return len(t.model.kind) }

// BOS returns the token that begins a text; ok is false if the files name none.
func (t *Tokenizer) BOS() (id int, ok bool) { return t.bos, t.bos >= 0 }

// EOS returns the tokens that end a text or a turn, in the order in which the files name them.
func (t *Tokenizer) EOS() []int { return append([]int(nil), t.eos...) }

// AddsBOS reports whether Encode(text, true) puts BOS first.
func (t *Tokenizer) AddsBOS() bool { return t.addsBOS }

// ChatTemplate returns the Jinja template of a conversation, "" without one.
func (t *Tokenizer) ChatTemplate() string { return t.chatTemplate }
