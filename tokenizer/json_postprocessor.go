package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// postProcessorFile is any post-processor of the file; which fields count is for its type to say.
type postProcessorFile struct {
	component
	Processors    []json.RawMessage `json:"processors"`
	Single        []templatePiece   `json:"single"`
	SpecialTokens map[string]struct {
		IDs []int `json:"ids"`
	} `json:"special_tokens"`
}

// templatePiece is one of a template's special tokens, or the place of a text.
type templatePiece struct {
	SpecialToken *struct {
		ID string `json:"id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID string `json:"id"`
	} `json:"Sequence"`
}

func (p *parts) readPostProcessor(raw json.RawMessage, n *partCount) error {
	if isNull(raw) {
		return nil
	}
	var c postProcessorFile
	if err := n.add("post_processor"); err != nil {
		return err
	}
	if err := decodeInto(raw, "post_processor", &c); err != nil {
		return err
	}
	switch c.Type {
	case "Sequence":
		for _, r := range c.Processors {
			if err := p.readPostProcessor(r, n); err != nil {
				return err
			}
		}
		return nil
	case "ByteLevel": // moves offsets alone
		return nil
	case "TemplateProcessing":
		if p.template != nil {
			return errors.New("post_processor has two TemplateProcessing, one is implemented")
		}
		t, err := c.template()
		p.template = t
		return err
	}
	return unknownComponent("post_processor", c.Type, "Sequence", "ByteLevel", "TemplateProcessing")
}

// mostAround bounds the ids around every text: published tokenizers have at most four.
const mostAround = 1024

func (c *postProcessorFile) template() (*template, error) {
	t := &template{}
	for _, piece := range c.Single {
		switch {
		case piece.Sequence != nil && piece.Sequence.ID == "A" && !t.hasText:
			t.hasText = true
		case piece.SpecialToken != nil:
			tokens, ok := c.SpecialTokens[piece.SpecialToken.ID]
			if !ok {
				return nil, fmt.Errorf("post_processor TemplateProcessing uses %q, which its special_tokens lack", piece.SpecialToken.ID)
			}
			if len(t.before)+len(t.after)+len(tokens.IDs) > mostAround {
				return nil, fmt.Errorf("post_processor TemplateProcessing puts more than %d ids around a text: the file is damaged or hostile", mostAround)
			}
			t.add(tokens.IDs...)
		default:
			return nil, errors.New("post_processor TemplateProcessing: single is not special tokens around one sequence A")
		}
	}
	if !t.hasText {
		return nil, errors.New("post_processor TemplateProcessing: single has no sequence A")
	}
	return t, nil
}
