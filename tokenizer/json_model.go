package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sugarme/tokenizer/model/bpe"
)

// maxID bounds the ids of a file, so that a corrupt one cannot ask for all memory. The largest vocabularies in
// use have 2^18 tokens.
const maxID = 1 << 22

type modelFile struct {
	Type         *string         `json:"type"` // may be missing (GPT-2)
	Dropout      *float64        `json:"dropout"`
	UnkToken     *string         `json:"unk_token"`
	Prefix       *string         `json:"continuing_subword_prefix"`
	Suffix       *string         `json:"end_of_word_suffix"`
	FuseUnk      bool            `json:"fuse_unk"`
	ByteFallback bool            `json:"byte_fallback"`
	IgnoreMerges bool            `json:"ignore_merges"`
	Vocab        json.RawMessage `json:"vocab"`
	Merges       json.RawMessage `json:"merges"`
}

func (p *parts) readModel(m *modelFile) error {
	if m.Type != nil && *m.Type != "BPE" {
		return unknownComponent("model", *m.Type, "BPE")
	}
	if m.Dropout != nil && *m.Dropout != 0 {
		return fmt.Errorf("model dropout %v is not implemented: tokens would differ from run to run (want null or 0)", *m.Dropout)
	}
	if m.Prefix != nil && *m.Prefix != "" {
		return fmt.Errorf("model continuing_subword_prefix %q is not implemented (want none)", *m.Prefix)
	}
	if m.Suffix != nil && *m.Suffix != "" {
		return fmt.Errorf("model end_of_word_suffix %q is not implemented (want none)", *m.Suffix)
	}
	var err error
	if p.vocab, err = readVocab(m.Vocab); err != nil {
		return err
	}
	merges, err := readMerges(m.Merges)
	if err != nil {
		return err
	}
	if p.merges, err = resolveMerges(p.vocab, merges); err != nil {
		return err
	}
	p.unknown = -1
	if m.UnkToken != nil {
		id, ok := p.vocab[*m.UnkToken]
		if !ok {
			return fmt.Errorf("model unk_token %q is not in the vocabulary", *m.UnkToken)
		}
		p.unknown = id
	}
	p.fuseUnknown, p.byteFallback, p.ignoreMerges = m.FuseUnk, m.ByteFallback, m.IgnoreMerges
	return nil
}

// resolveMerges looks up the ids of each merge and of what it makes; the rank is the place in the list.
func resolveMerges(vocab map[string]int, merges [][2]string) (bpe.Merges, error) {
	out := make(bpe.Merges, len(merges))
	var joined []byte
	for rank, m := range merges {
		left, ok1 := vocab[m[0]]
		right, ok2 := vocab[m[1]]
		joined = append(append(joined[:0], m[0]...), m[1]...)
		id, ok3 := vocab[string(joined)]
		if !ok1 || !ok2 || !ok3 {
			missing := string(joined)
			if !ok1 {
				missing = m[0]
			} else if !ok2 {
				missing = m[1]
			}
			return nil, fmt.Errorf("merge %d (%q + %q) needs the token %q, which is not in the vocabulary", rank, m[0], m[1], missing)
		}
		out[bpe.Pair{C1: left, C2: right}] = bpe.PairVal{Rank: rank, NewId: id}
	}
	return out, nil
}

// readVocab reads {"token": id, …}.
func readVocab(raw json.RawMessage) (map[string]int, error) {
	j := &jsonScan{s: string(raw)}
	if j.peek() != '{' {
		return nil, errors.New("model.vocab is not an object of tokens and ids")
	}
	j.i++
	vocab := make(map[string]int, min(strings.Count(j.s, ":"), 1<<18)) // as many as models have: a text of colons is no vocabulary
	for j.peek() != '}' {
		token, ok := j.text()
		if !ok {
			return nil, fmt.Errorf("model.vocab is not an object of tokens and ids (entry %d)", len(vocab))
		}
		id, ok := j.integer()
		if !ok {
			return nil, fmt.Errorf("model.vocab: the id of %q is not a whole number from 0 to %d", token, maxID)
		}
		if _, twice := vocab[token]; twice {
			return nil, fmt.Errorf("model.vocab has the token %q twice", token)
		}
		vocab[token] = id
	}
	if len(vocab) == 0 {
		return nil, errors.New("model.vocab is empty")
	}
	return vocab, nil
}

// readMerges reads ["a b", …] or [["a", "b"], …].
func readMerges(raw json.RawMessage) ([][2]string, error) {
	j := &jsonScan{s: string(raw)}
	if j.peek() != '[' {
		return nil, errors.New("model.merges is not a list")
	}
	j.i++
	var merges [][2]string
	for j.peek() != ']' {
		if j.peek() != '[' {
			text, ok := j.text()
			if !ok {
				return nil, fmt.Errorf("model.merges: entry %d is neither a string nor a pair of strings", len(merges))
			}
			left, right, ok := strings.Cut(text, " ")
			if !ok || strings.Contains(right, " ") {
				return nil, fmt.Errorf("model.merges: entry %d (%q) is not two tokens with a space between", len(merges), text)
			}
			merges = append(merges, [2]string{left, right})
			continue
		}
		j.i++
		left, ok1 := j.text()
		right, ok2 := j.text()
		if !ok1 || !ok2 || j.peek() != ']' {
			return nil, fmt.Errorf("model.merges: entry %d is neither a string nor a pair of strings", len(merges))
		}
		j.i++
		merges = append(merges, [2]string{left, right})
	}
	return merges, nil
}
