package tokenizer

import (
	"fmt"
	"sort"
	"strings"

	"github.com/sugarme/tokenizer/model/bpe"
	"golang.org/x/text/unicode/norm"
)

// Token types of tokenizer.ggml.token_type (llama.cpp, enum llama_token_type).
const (
	ggufUnknown     = 2
	ggufControl     = 3
	ggufUserDefined = 4
)

// preRules is what a name in tokenizer.ggml.pre stands for: in the model's tokenizer.json the normalizer, the steps
// before the byte level, ignore_merges and the BOS token.
type preRules struct {
	normalize    normalizer
	steps        []step
	ignoreMerges bool
	addBOS       bool // where tokenizer.ggml.add_bos_token is missing
}

var (
	rulesGPT2   = preRules{steps: []step{scanStep(scanGPT2)}}
	rulesSmolLM = preRules{steps: []step{digitsStep(true), scanStep(scanGPT2)}}
	rulesLlama3 = preRules{steps: []step{scanStep(scannerFor(patternLlama3))}, ignoreMerges: true, addBOS: true}
	rulesQwen2  = preRules{steps: []step{scanStep(scannerFor(patternQwen2))}, normalize: unicodeForm(norm.NFC)}
	rulesTekken = preRules{steps: []step{scanStep(scanTekken)}, ignoreMerges: true, addBOS: true}
)

// ggufPre has the names whose rules are known to be those of the models that carry them. "default", and no name,
// are what converters wrote before there were names: GPT-2's pattern.
var ggufPre = map[string]preRules{
	"": rulesGPT2, "default": rulesGPT2, "gpt-2": rulesGPT2,
	"smollm":    rulesSmolLM,
	"llama-bpe": rulesLlama3, "llama3": rulesLlama3, "llama-v3": rulesLlama3,
	"qwen2": rulesQwen2, "deepseek-r1-qwen": rulesQwen2,
	"tekken": rulesTekken,
}

// FromGGUF makes a tokenizer of GGUF metadata (the keys tokenizer.ggml.* and tokenizer.chat_template), which gives
// the same ids as the tokenizer.json that it was converted from. Integers may have any Go integer type.
func FromGGUF(meta map[string]any) (*Tokenizer, error) {
	g := ggufMeta{meta}
	t, err := g.tokenizer()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: gguf: %w", err)
	}
	return t, nil
}

type ggufMeta struct{ meta map[string]any }

func (g ggufMeta) tokenizer() (*Tokenizer, error) {
	kind, ok, err := ggufValue[string](g, "model")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("tokenizer.ggml.model is missing: the file holds no tokenizer")
	}
	tokens, ok, err := ggufValue[[]string](g, "tokens")
	if err != nil {
		return nil, err
	}
	if !ok || len(tokens) == 0 || len(tokens) > maxID {
		return nil, fmt.Errorf("tokenizer.ggml.tokens has %d tokens, want 1 to %d", len(tokens), maxID)
	}
	types, err := g.integers("token_type")
	if err != nil {
		return nil, err
	}
	if types != nil && len(types) != len(tokens) {
		return nil, fmt.Errorf("tokenizer.ggml.token_type has %d entries for %d tokens", len(types), len(tokens))
	}
	p := &parts{vocab: make(map[string]int, len(tokens)), unknown: -1}
	for id, token := range tokens {
		p.vocab[token] = id
	}
	if len(p.vocab) != len(tokens) {
		return nil, fmt.Errorf("tokenizer.ggml.tokens has one token twice: %d tokens, %d different", len(tokens), len(p.vocab))
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
	addBOS, addEOS := false, false
	switch kind {
	case "gpt2":
		addBOS, err = g.byteLevel(p)
	case "llama":
		addBOS, err = true, g.sentencePiece(p, tokens)
	default:
		return nil, fmt.Errorf("tokenizer.ggml.model %q is not implemented (have: gpt2, llama)", kind)
	}
	if err != nil {
		return nil, err
	}
	bos, err := g.id("bos_token_id", len(tokens))
	if err != nil {
		return nil, err
	}
	var eos []int
	for _, key := range []string{"eos_token_id", "eot_token_id", "eom_token_id"} {
		id, err := g.id(key, len(tokens))
		if err != nil {
			return nil, err
		}
		if id >= 0 {
			eos = append(eos, id)
		}
	}
	if v, ok, err := ggufValue[bool](g, "add_bos_token"); err != nil {
		return nil, err
	} else if ok {
		addBOS = v
	}
	if addEOS, _, err = ggufValue[bool](g, "add_eos_token"); err != nil {
		return nil, err
	}
	p.template = &template{}
	if addBOS && bos >= 0 {
		p.template.add(bos)
	}
	p.template.hasText = true
	if addEOS && len(eos) > 0 {
		p.template.add(eos[0])
	}
	t, err := p.assemble()
	if err != nil {
		return nil, err
	}
	t.bos = bos
	for _, id := range eos {
		t.addEOS(id)
	}
	chatTemplate := ""
	if v, ok := g.meta["tokenizer.chat_template"]; ok {
		if chatTemplate, ok = v.(string); !ok {
			return nil, fmt.Errorf("tokenizer.chat_template is a %T, want a string", v)
		}
	}
	t.finish(p, chatTemplate)
	return t, nil
}

// byteLevel fills p for model "gpt2": byte-level BPE with its merges.
func (g ggufMeta) byteLevel(p *parts) (addBOS bool, err error) {
	pre, _, err := ggufValue[string](g, "pre")
	if err != nil {
		return false, err
	}
	rules, ok := ggufPre[pre]
	if !ok {
		var have []string
		for name := range ggufPre {
			if name != "" {
				have = append(have, name)
			}
		}
		sort.Strings(have)
		return false, fmt.Errorf("tokenizer.ggml.pre %q is not known (have: %s)", pre, strings.Join(have, ", "))
	}
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
	rank := -1
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

// ggufValue returns tokenizer.ggml.<key>; ok is false where it is missing.
func ggufValue[T any](g ggufMeta, key string) (value T, ok bool, err error) {
	v, ok := g.meta["tokenizer.ggml."+key]
	if !ok {
		return value, false, nil
	}
	if value, ok = v.(T); !ok {
		return value, false, fmt.Errorf("tokenizer.ggml.%s is a %T, want a %T", key, v, value)
	}
	return value, true, nil
}

// integer reads a value of any integer type.
func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case uint8:
		return int64(n), true
	case uint16:
		return int64(n), true
	case uint32:
		return int64(n), true
	case uint64:
		return int64(n), n < 1<<63
	case int8:
		return int64(n), true
	case int16:
		return int64(n), true
	case int32:
		return int64(n), true
	case int64:
		return n, true
	case int:
		return int64(n), true
	}
	return 0, false
}

// id reads the id of a token; −1 where it is missing, or is the 2^32 − 1 that stands for none.
func (g ggufMeta) id(key string, count int) (int, error) {
	v, ok := g.meta["tokenizer.ggml."+key]
	if !ok {
		return -1, nil
	}
	n, ok := integer(v)
	if ok && (n == -1 || n == 1<<32-1) {
		return -1, nil
	}
	if !ok || n < 0 || n >= int64(count) {
		return -1, fmt.Errorf("tokenizer.ggml.%s is %v, want an id from 0 to %d", key, v, count-1)
	}
	return int(n), nil
}

// integers reads a list of any integer type; nil where it is missing.
func (g ggufMeta) integers(key string) ([]int64, error) {
	v, ok := g.meta["tokenizer.ggml."+key]
	if !ok {
		return nil, nil
	}
	switch list := v.(type) {
	case []int32:
		return widen(list), nil
	case []uint32:
		return widen(list), nil
	case []int64:
		return list, nil
	case []int16:
		return widen(list), nil
	case []uint16:
		return widen(list), nil
	case []int8:
		return widen(list), nil
	case []uint8:
		return widen(list), nil
	case []int:
		return widen(list), nil
	}
	return nil, fmt.Errorf("tokenizer.ggml.%s is a %T, want a list of integers", key, v)
}

func widen[T uint8 | uint16 | uint32 | int8 | int16 | int32 | int](list []T) []int64 {
	out := make([]int64, len(list))
	for i, v := range list {
		out[i] = int64(v)
	}
	return out
}

// floats reads a list of either float type.
func (g ggufMeta) floats(key string) ([]float64, error) {
	v, ok := g.meta["tokenizer.ggml."+key]
	if !ok {
		return nil, nil
	}
	switch list := v.(type) {
	case []float32:
		out := make([]float64, len(list))
		for i, v := range list {
			out[i] = float64(v)
		}
		return out, nil
	case []float64:
		return list, nil
	}
	return nil, fmt.Errorf("tokenizer.ggml.%s is a %T, want a list of numbers", key, v)
}
