package tokenizer

import (
	"encoding/json"
	"errors"
)

func readNormalizer(raw json.RawMessage, n *partCount) (normalizer, error) {
	if isNull(raw) {
		return nil, nil
	}
	var c struct {
		component
		Normalizers []json.RawMessage `json:"normalizers"`
		Prepend     string            `json:"prepend"`
		Pattern     textPattern       `json:"pattern"`
		Content     string            `json:"content"`
	}
	if err := n.add("normalizer"); err != nil {
		return nil, err
	}
	if err := decodeInto(raw, "normalizer", &c); err != nil {
		return nil, err
	}
	switch c.Type {
	case "Sequence":
		var steps []normalizer
		for _, r := range c.Normalizers {
			step, err := readNormalizer(r, n)
			if err != nil {
				return nil, err
			}
			if step != nil {
				steps = append(steps, step)
			}
		}
		if len(steps) == 0 {
			return nil, nil
		}
		return inOrder(steps), nil
	case "NFC":
		return unicodeForm(normalForm{compose: true}), nil
	case "NFD":
		return unicodeForm(normalForm{}), nil
	case "NFKC":
		return unicodeForm(normalForm{compatible: true, compose: true}), nil
	case "NFKD":
		return unicodeForm(normalForm{compatible: true}), nil
	case "Lowercase":
		return lowercase, nil
	case "Prepend":
		return prepend(c.Prepend), nil
	case "Replace":
		switch {
		case c.Pattern.String != nil && *c.Pattern.String != "":
			return replace(*c.Pattern.String, c.Content), nil
		case c.Pattern.Regex != nil:
			p, err := newPattern(*c.Pattern.Regex)
			if err != nil {
				return nil, err
			}
			return replacePattern(p, c.Content), nil
		}
		return nil, errors.New("normalizer Replace has neither pattern.String nor pattern.Regex")
	}
	return nil, unknownComponent("normalizer", c.Type, "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Prepend", "Replace")
}
