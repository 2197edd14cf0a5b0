package tokenizer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
	rulesQwen2  = preRules{steps: []step{scanStep(scannerFor(patternQwen2))}, normalize: unicodeForm(normalForm{compose: true})}
	rulesTekken = preRules{steps: []step{scanStep(scanTekken)}, ignoreMerges: true, addBOS: true}

	// The patterns alone, without what else the files of those models have.
	rulesDBRX   = preRules{steps: []step{scanStep(scannerFor(patternLlama3))}}
	rulesStable = preRules{steps: []step{scanStep(scannerFor(patternQwen2))}}
)

// ggufPre has the names whose rules are known to be those of the models that carry them, in the groups that
// llama.cpp's llama-vocab.cpp puts them in.
var ggufPre = func() map[string]preRules {
	all := map[string]preRules{}
	for _, group := range []struct {
		rules preRules
		names []string
	}{
		{rulesGPT2, []string{"gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum", "modern-bert", "exaone4",
			"mpt", "olmo", "jais", "trillion", "granite-docling"}},
		{rulesSmolLM, []string{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"}},
		{rulesLlama3, []string{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"}},
		{rulesDBRX, []string{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}},
		{rulesQwen2, []string{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"}},
		{rulesStable, []string{"stablelm2", "hunyuan", "solar-open", "grok-2"}},
		{rulesTekken, []string{"tekken"}},
	} {
		for _, name := range group.names {
			all[name] = group.rules
		}
	}
	return all
}()

// defaultRules are those that llama.cpp has for files that name none: punctuation apart, GPT-2's pattern, numbers
// apart and by three digits. No model was trained with them.
func defaultRules() (preRules, error) {
	var steps []step
	for _, pattern := range []string{`[\p{P}\$\+<=>\^~\|]+`, "", `\p{N}+`, `[0-9][0-9][0-9]`} {
		if pattern == "" {
			steps = append(steps, scanStep(scanGPT2))
			continue
		}
		p, err := newPattern(pattern)
		if err != nil {
			return preRules{}, err
		}
		steps = append(steps, splitStep(p.find, false, behaviors["Isolated"]))
	}
	return preRules{steps: steps}, nil
}

// rules returns those that cut a text before the byte level. Converters wrote no name, or "default", before there
// were names: the file's own vocabulary then tells which model it is of, or llama.cpp's default is taken; note says
// which.
func (g ggufMeta) rules(vocab map[string]int) (rules preRules, note string, err error) {
	pre, _, err := ggufValue[string](g, "pre")
	if err != nil {
		return rules, "", err
	}
	if pre != "" && pre != "default" {
		rules, ok := ggufPre[pre]
		if !ok {
			return rules, "", fmt.Errorf("tokenizer.ggml.pre %q is not known (have: default, %s)", pre, strings.Join(slices.Sorted(maps.Keys(ggufPre)), ", "))
		}
		return rules, "", nil
	}
	if name := g.recognised(vocab); name != "" {
		return ggufPre[name], fmt.Sprintf("the file does not name the rules of its tokenizer (tokenizer.ggml.pre): those of %q are taken, as its vocabulary is of that kind", name), nil
	}
	rules, err = defaultRules()
	return rules, "the file does not name the rules of its tokenizer (tokenizer.ggml.pre): llama.cpp's default is taken, which may cut texts otherwise than the model was trained with; convert it again with a current llama.cpp", err
}

// recognised returns the name of the rules that a vocabulary is known to go with, "" for none.
func (g ggufMeta) recognised(vocab map[string]int) string {
	has := func(tokens ...string) bool {
		return !slices.ContainsFunc(tokens, func(t string) bool { _, ok := vocab[t]; return !ok })
	}
	arch, _ := g.meta["general.architecture"].(string)
	switch {
	case has("<|begin_of_text|>", "<|eot_id|>") && len(vocab) >= 128_000:
		return "llama-bpe"
	case has("<|endoftext|>", "<|im_start|>", "<repo_name>") && len(vocab) == 49_152:
		return "smollm"
	case has("<|endoftext|>", "<|im_start|>", "<|im_end|>") && len(vocab) >= 151_000 && (arch == "qwen2" || arch == "qwen3"):
		return "qwen2"
	case has("<|endoftext|>") && arch == "gpt2" && len(vocab) == 50_257:
		return "gpt-2"
	}
	return ""
}
