package tokenizer

import (
	"fmt"

	sugar "github.com/sugarme/tokenizer"
	sugarmodel "github.com/sugarme/tokenizer/model"
	"github.com/sugarme/tokenizer/model/bpe"
	"github.com/sugarme/tokenizer/processor"
)

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

// tokenizer checks what the parts say of each other and puts them together.
func (p *parts) tokenizer() (*Tokenizer, error) {
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
	pre := &preTokenizer{normalize: p.normalize, steps: p.steps}
	if pre.raw, err = newMatcher(raw, nil); err != nil {
		return nil, err
	}
	if pre.normalized, err = newMatcher(normalized, p.normalize); err != nil {
		return nil, err
	}
	t.engine = sugar.NewTokenizer(m)
	t.engine.WithPreTokenizer(pre)
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
				var err error // what Hugging Face decodes it to
				if m.text[a.ID], err = p.normalize(a.Content, growthOf(a.Content)); err != nil {
					return nil, nil, fmt.Errorf("added token %q: %w", shortened(a.Content), err)
				}
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
