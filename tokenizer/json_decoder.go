package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

func readDecoder(raw json.RawMessage, n *partCount) (decoderChain, error) {
	if isNull(raw) {
		return decoderChain{func() stage { return &joinStage{} }}, nil
	}
	fused := false
	chain, err := readStages(raw, &fused, n)
	if err != nil {
		return nil, err
	}
	growth := 1.0
	for _, newStage := range chain {
		if s, ok := newStage().(replaceStage); ok {
			growth *= max(1, float64(len(s.to))/float64(len(s.from)))
		}
	}
	if growth > mostGrowth {
		return nil, fmt.Errorf("decoder: its Replace make up to %.3g bytes of one, want %d at most: the file is damaged or hostile", growth, mostGrowth)
	}
	return chain, nil
}

// decoderFile is any decoder of the file; which fields count is for its type to say.
type decoderFile struct {
	component
	Decoders       []json.RawMessage `json:"decoders"`
	Pattern        textPattern       `json:"pattern"`
	Content        string            `json:"content"`
	Start          int               `json:"start"`
	Stop           int               `json:"stop"`
	Replacement    string            `json:"replacement"`
	PrependScheme  *string           `json:"prepend_scheme"`
	AddPrefixSpace *bool             `json:"add_prefix_space"`
}

// readStages reads one decoder. fused says whether the stages before it made one text of the tokens.
func readStages(raw json.RawMessage, fused *bool, n *partCount) (decoderChain, error) {
	var c decoderFile
	if err := n.add("decoder"); err != nil {
		return nil, err
	}
	if err := decodeInto(raw, "decoder", &c); err != nil {
		return nil, err
	}
	if *fused && c.Type != "Strip" && c.Type != "Fuse" {
		return nil, fmt.Errorf("decoder %q after Fuse or ByteLevel is not implemented (have: Fuse, Strip)", c.Type)
	}
	switch c.Type {
	case "Sequence":
		var chain decoderChain
		for _, r := range c.Decoders {
			inner, err := readStages(r, fused, n)
			if err != nil {
				return nil, err
			}
			chain = append(chain, inner...)
		}
		return chain, nil
	case "ByteLevel":
		*fused = true
		return decoderChain{func() stage { return &byteLevelStage{} }}, nil
	case "ByteFallback":
		return decoderChain{func() stage { return &byteFallbackStage{} }}, nil
	case "Fuse":
		*fused = true
		return nil, nil
	case "Metaspace":
		mark, scheme, err := metaspace("decoder", c.Replacement, c.PrependScheme, c.AddPrefixSpace)
		if err != nil {
			return nil, err
		}
		return decoderChain{func() stage { return &metaspaceStage{replacement: mark, keepFirst: scheme == "never"} }}, nil
	case "Replace":
		if c.Pattern.String == nil || *c.Pattern.String == "" {
			return nil, errors.New("decoder Replace without pattern.String is not implemented")
		}
		s := replaceStage{*c.Pattern.String, c.Content}
		return decoderChain{func() stage { return s }}, nil
	case "Strip":
		return c.strip(*fused)
	}
	return nil, unknownComponent("decoder", c.Type, "Sequence", "ByteLevel", "ByteFallback", "Fuse", "Metaspace", "Replace", "Strip")
}

// strip takes characters off the one text that there is when it is fused, and off each token when it is not.
func (c *decoderFile) strip(fused bool) (decoderChain, error) {
	if utf8.RuneCountInString(c.Content) != 1 || c.Start < 0 || c.Stop < 0 {
		return nil, fmt.Errorf("decoder Strip: content %q, start %d, stop %d: want one character and counts from 0", c.Content, c.Start, c.Stop)
	}
	if fused {
		return decoderChain{func() stage { return &stripTextStage{char: c.Content, start: c.Start, stop: c.Stop} }}, nil
	}
	s := stripTokenStage{c.Content, c.Start, c.Stop}
	return decoderChain{func() stage { return s }}, nil
}
