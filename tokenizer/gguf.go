package tokenizer

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/sugarme/tokenizer/model/bpe"
)

// Token types of tokenizer.ggml.token_type (llama.cpp, enum llama_token_type).
const (
	ggufUnknown     = 2
	ggufControl     = 3
	ggufUserDefined = 4
)

// FromGGUF makes a tokenizer of GGUF metadata (the keys tokenizer.ggml.* and tokenizer.chat_template), which gives
// the same ids as the tokenizer.json that it was converted from. Integers may have any Go integer type.
func FromGGUF(meta map[string]any) (*Tokenizer, error) {
	g := ggufMeta{meta, new([]string)}
	t, err := g.tokenizer()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: gguf: %w", err)
	}
	return t, nil
}

type ggufMeta struct {
	meta  map[string]any
	notes *[]string
}

// note adds what a user should be told; "" is nothing.
func (g ggufMeta) note(text string) {
	if text != "" {
		*g.notes = append(*g.notes, text)
	}
}

func (g ggufMeta) tokenizer() (*Tokenizer, error) {
	kind, ok, err := ggufValue[string](g, "model")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("tokenizer.ggml.model is missing: the file holds no tokenizer")
	}
	p, tokens, err := g.vocabulary()
	if err != nil {
		return nil, err
	}
	addBOS := true
	switch kind {
	case "gpt2":
		addBOS, err = g.byteLevel(p)
	case "llama":
		err = g.sentencePiece(p, tokens)
	default:
		return nil, fmt.Errorf("tokenizer.ggml.model %q is not implemented (have: gpt2, llama)", kind)
	}
	if err != nil {
		return nil, err
	}
	bos, eos, err := g.ends(len(tokens))
	if err != nil {
		return nil, err
	}
	if p.template, err = g.template(addBOS, bos, eos); err != nil {
		return nil, err
	}
	t, err := p.tokenizer()
	if err != nil {
		return nil, err
	}
	t.bos = bos
	for _, id := range eos {
		t.addEOS(id)
	}
	if t.templates, err = g.templates(); err != nil {
		return nil, err
	}
	t.finish(p)
	for name, key := range map[string]string{"unk_token": "unknown", "sep_token": "seperator", "pad_token": "padding", "cls_token": "cls", "mask_token": "mask"} {
		id, err := g.id(key+"_token_id", len(tokens))
		if err != nil {
			return nil, err
		}
		if text, ok := t.Piece(id); ok {
			t.special[name] = text
		}
	}
	t.notes = *g.notes
	return t, nil
}

// templates are the chat templates: the one, and others by name (tokenizer.chat_template.tool_use).
func (g ggufMeta) templates() (map[string]string, error) {
	const one = "tokenizer.chat_template"
	out := map[string]string{}
	for key, v := range g.meta {
		name, named := strings.CutPrefix(key, one+".")
		if key == one {
			name = "default"
		} else if !named {
			continue
		}
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s is a %T, want a string", key, v)
		}
		out[name] = text
	}
	return out, nil
}

// vocabulary reads the tokens, and which of them are to be found in a text as they are written.
func (g ggufMeta) vocabulary() (p *parts, tokens []string, err error) {
	tokens, ok, err := ggufValue[[]string](g, "tokens")
	if err != nil {
		return nil, nil, err
	}
	if !ok || len(tokens) == 0 || len(tokens) > maxID {
		return nil, nil, fmt.Errorf("tokenizer.ggml.tokens has %d tokens, want 1 to %d", len(tokens), maxID)
	}
	types, err := g.integers("token_type")
	if err != nil {
		return nil, nil, err
	}
	if types != nil && len(types) != len(tokens) {
		return nil, nil, fmt.Errorf("tokenizer.ggml.token_type has %d entries for %d tokens", len(types), len(tokens))
	}
	p = &parts{vocab: make(map[string]int, len(tokens)), unknown: -1}
	tokens = slices.Clone(tokens)
	for id, token := range tokens {
		if token == "" { // as llama.cpp names them: they stand for no text
			tokens[id] = fmt.Sprintf("[EMPTY_%d]", id)
		}
		p.vocab[tokens[id]] = id
	}
	if len(p.vocab) != len(tokens) {
		return nil, nil, fmt.Errorf("tokenizer.ggml.tokens has one token twice: %d tokens, %d different", len(tokens), len(p.vocab))
	}
	for id, kind := range types {
		switch kind {
		case ggufUnknown, ggufControl, ggufUserDefined:
			p.added = append(p.added, addedToken{ID: id, Content: tokens[id], Special: kind != ggufUserDefined})
		}
		if kind == ggufUnknown {
			p.unknown = id
		}
	}
	return p, tokens, nil
}

// ends reads the ids of the token that begins a text, −1 for none, and of those that end one.
func (g ggufMeta) ends(count int) (bos int, eos []int, err error) {
	if bos, err = g.id("bos_token_id", count); err != nil {
		return -1, nil, err
	}
	for _, key := range []string{"eos_token_id", "eot_token_id", "eom_token_id"} {
		id, err := g.id(key, count)
		if err != nil {
			return -1, nil, err
		}
		if id >= 0 {
			eos = append(eos, id)
		}
	}
	return bos, eos, nil
}

// template reads whether BOS and EOS go around a text; addBOS is for a file that does not say it of BOS.
func (g ggufMeta) template(addBOS bool, bos int, eos []int) (*template, error) {
	if v, ok, err := ggufValue[bool](g, "add_bos_token"); err != nil {
		return nil, err
	} else if ok {
		addBOS = v
	}
	addEOS, _, err := ggufValue[bool](g, "add_eos_token")
	if err != nil {
		return nil, err
	}
	t := &template{}
	if addBOS && bos >= 0 {
		t.add(bos)
	}
	t.hasText = true
	if addEOS && len(eos) > 0 {
		t.add(eos[0])
	}
	return t, nil
}

// byteLevel fills p for model "gpt2": byte-level BPE with its merges.
func (g ggufMeta) byteLevel(p *parts) (addBOS bool, err error) {
	rules, note, err := g.rules(p.vocab)
	if err != nil {
		return false, err
	}
	g.note(note)
	lines, ok, err := ggufValue[[]string](g, "merges")
	if err != nil {
		return false, err
	}
	if !ok {
		return false, fmt.Errorf("tokenizer.ggml.merges is missing")
	}
	merges := make([][2]string, len(lines))
	for i, line := range lines {
		// A token may begin with a space, so the first character is never the separator.
		cut := -1
		if line != "" {
			cut = strings.IndexByte(line[1:], ' ')
		}
		if cut < 0 {
			return false, fmt.Errorf("tokenizer.ggml.merges: entry %d (%q) is not two tokens with a space between", i, line)
		}
		merges[i] = [2]string{line[:cut+1], line[cut+2:]}
	}
	if p.merges, err = resolveMerges(p.vocab, merges); err != nil {
		return false, fmt.Errorf("tokenizer.ggml.merges: %w", err)
	}
	p.ignoreMerges, p.normalize = rules.ignoreMerges, rules.normalize
	p.steps = append(append([]step(nil), rules.steps...), byteLevelStep)
	p.decoder = decoderChain{func() stage { return &byteLevelStage{} }}
	p.unknown = -1 // every byte has a token, and unknown_token_id is written for all models
	return rules.addBOS, nil
}

// sentencePiece fills p for model "llama": SentencePiece's BPE, which merges the neighbours whose union has the
// highest score. The rank of a merge is so the place of the union's score among all scores.
func (g ggufMeta) sentencePiece(p *parts, tokens []string) error {
	scores, err := g.floats("scores")
	if err != nil {
		return err
	}
	if len(scores) != len(tokens) {
		return fmt.Errorf("tokenizer.ggml.scores has %d entries for %d tokens", len(scores), len(tokens))
	}
	prefix, ok, err := ggufValue[bool](g, "add_space_prefix")
	if err != nil {
		return err
	}
	prefix = prefix || !ok
	if squeeze, _, err := ggufValue[bool](g, "remove_extra_whitespaces"); err != nil {
		return err
	} else if squeeze {
		return fmt.Errorf("tokenizer.ggml.remove_extra_whitespaces is not implemented (want false)")
	}
	order := make([]int, len(tokens)) // ids, the highest score first
	for id := range order {
		order[id] = id
	}
	sort.SliceStable(order, func(i, j int) bool { return scores[order[i]] > scores[order[j]] })
	p.merges = make(bpe.Merges, 2*len(tokens))
	rank := p.mergeSpaces(tokens)
	for i, id := range order {
		if i == 0 || scores[id] != scores[order[i-1]] {
			rank++
		}
		token := tokens[id]
		for cut := range token {
			if cut == 0 {
				continue
			}
			left, ok1 := p.vocab[token[:cut]]
			right, ok2 := p.vocab[token[cut:]]
			if ok1 && ok2 {
				p.merges[bpe.Pair{C1: left, C2: right}] = bpe.PairVal{Rank: rank, NewId: id}
			}
		}
	}
	p.byteFallback, p.fuseUnknown = true, true
	toMark := replace(" ", "▁")
	p.normalize = toMark
	p.decoder = decoderChain{
		func() stage { return replaceStage{"▁", " "} },
		func() stage { return &byteFallbackStage{} },
	}
	if prefix {
		p.normalize = inOrder([]normalizer{prepend("▁"), toMark})
		p.decoder = append(p.decoder, func() stage { return &stripTextStage{char: " ", start: 1} })
	}
	return nil
}

// mergeSpaces makes tokens of several spaces, which llama.cpp writes as user-defined ones (Gemma), what they are in the
// model's tokenizer.json: ▁▁ and longer, merged before all else, the shorter first. It returns the rank of the last.
func (p *parts) mergeSpaces(tokens []string) int {
	const mark = "▁"
	runs := map[int]int{} // ids by length
	if id, ok := p.vocab[mark]; ok {
		runs[1] = id
	}
	longest := 1
	for id, token := range tokens {
		if n := len(token); n > 1 && strings.Trim(token, " ") == "" {
			delete(p.vocab, token)
			p.vocab[strings.Repeat(mark, n)] = id
			p.added = slices.DeleteFunc(p.added, func(a addedToken) bool { return a.ID == id })
			runs[n], longest = id, max(longest, n)
		}
	}
	for n := 2; n <= longest; n++ {
		whole, ok := runs[n]
		for first := 1; ok && first < n; first++ {
			left, ok1 := runs[first]
			right, ok2 := runs[n-first]
			if ok1 && ok2 {
				p.merges[bpe.Pair{C1: left, C2: right}] = bpe.PairVal{Rank: n, NewId: whole}
			}
		}
	}
	return longest
}
