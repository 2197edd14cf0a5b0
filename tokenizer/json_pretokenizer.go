package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// preTokenizerFile is any pre-tokenizer of the file; which fields count is for its type to say.
type preTokenizerFile struct {
	component
	PreTokenizers    []json.RawMessage `json:"pretokenizers"`
	AddPrefixSpace   *bool             `json:"add_prefix_space"`
	UseRegex         *bool             `json:"use_regex"`
	Pattern          textPattern       `json:"pattern"`
	Behavior         string            `json:"behavior"`
	Invert           bool              `json:"invert"`
	IndividualDigits bool              `json:"individual_digits"`
	Replacement      string            `json:"replacement"`
	PrependScheme    *string           `json:"prepend_scheme"`
	Split            *bool             `json:"split"`
}

func readPreTokenizer(raw json.RawMessage, n *partCount) ([]step, error) {
	if isNull(raw) {
		return nil, nil
	}
	var c preTokenizerFile
	if err := n.add("pre_tokenizer"); err != nil {
		return nil, err
	}
	if err := decodeInto(raw, "pre_tokenizer", &c); err != nil {
		return nil, err
	}
	switch c.Type {
	case "Sequence":
		var steps []step
		for _, r := range c.PreTokenizers {
			inner, err := readPreTokenizer(r, n)
			if err != nil {
				return nil, err
			}
			steps = append(steps, inner...)
		}
		return steps, nil
	case "ByteLevel":
		return c.byteLevel(), nil
	case "Digits":
		return []step{digitsStep(c.IndividualDigits)}, nil
	case "Split":
		return c.split()
	case "Metaspace":
		return c.metaspace()
	}
	return nil, unknownComponent("pre_tokenizer", c.Type, "Sequence", "ByteLevel", "Digits", "Split", "Metaspace")
}

func (c *preTokenizerFile) byteLevel() []step {
	var steps []step
	if c.AddPrefixSpace == nil || *c.AddPrefixSpace {
		steps = append(steps, prefixStep(" ", false))
	}
	if c.UseRegex == nil || *c.UseRegex {
		steps = append(steps, scanStep(scanGPT2))
	}
	return append(steps, byteLevelStep)
}

func (c *preTokenizerFile) split() ([]step, error) {
	behavior, ok := behaviors[c.Behavior]
	if !ok {
		return nil, fmt.Errorf("pre_tokenizer Split has behavior %q (have: Contiguous, Isolated, MergedWithNext, MergedWithPrevious, Removed)", c.Behavior)
	}
	switch {
	case c.Pattern.String != nil:
		return []step{splitStep(findString(*c.Pattern.String), c.Invert, behavior)}, nil
	case c.Pattern.Regex != nil:
		// A known pattern matches all of a text, so that there are no gaps for Removed with invert, the older
		// spelling of Isolated, to remove.
		scan := scannerFor(*c.Pattern.Regex)
		if scan != nil && (c.Behavior == "Isolated" || c.Behavior == "Removed" && c.Invert) {
			return []step{scanStep(scan)}, nil
		}
		p, err := newPattern(*c.Pattern.Regex)
		if err != nil {
			return nil, err
		}
		return []step{splitStep(p.find, c.Invert, behavior)}, nil
	}
	return nil, errors.New("pre_tokenizer Split has neither pattern.String nor pattern.Regex")
}

func (c *preTokenizerFile) metaspace() ([]step, error) {
	mark, scheme, err := metaspace("pre_tokenizer", c.Replacement, c.PrependScheme, c.AddPrefixSpace)
	if err != nil {
		return nil, err
	}
	steps := []step{replaceStep(" ", mark)}
	if scheme != "never" {
		steps = append(steps, prefixStep(mark, scheme == "first"))
	}
	if c.Split == nil || *c.Split {
		steps = append(steps, splitStep(findString(mark), false, behaviors["MergedWithNext"]))
	}
	return steps, nil
}

// metaspace reads the fields that Metaspace has as a pre-tokenizer and as a decoder. Files older than
// prepend_scheme say add_prefix_space.
func metaspace(where, replacement string, scheme *string, addPrefixSpace *bool) (mark, prepend string, err error) {
	if replacement == "" {
		replacement = "▁"
	}
	if utf8.RuneCountInString(replacement) != 1 {
		return "", "", fmt.Errorf("%s Metaspace has replacement %q (want one character)", where, shortened(replacement))
	}
	switch {
	case scheme == nil && addPrefixSpace != nil && !*addPrefixSpace:
		return replacement, "never", nil
	case scheme == nil:
		return replacement, "always", nil
	case *scheme == "always" || *scheme == "first" || *scheme == "never":
		return replacement, *scheme, nil
	}
	return "", "", fmt.Errorf("%s Metaspace has prepend_scheme %q (have: always, first, never)", where, *scheme)
}
