package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
)

// Tokens that tokenizer.json lacks stand in the files beside it. transformers adds them, in this order: those of
// tokenizer_config.json's added_tokens_decoder, or of added_tokens.json where there is none; then the special tokens that
// the files name. A token of the same text gets the flags of these files.

// otherToken is a token of a file beside tokenizer.json.
type otherToken struct {
	addedToken
	where string // the key or file that has it
	exact bool   // ID is the id that it must get
}

// UnmarshalJSON reads an entry of added_tokens_decoder, or a special token, which may be its text alone. What is not said
// is transformers': a token is looked for in the normalized text unless it is special.
func (o *otherToken) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		o.Special = true
		return json.Unmarshal(data, &o.Content)
	}
	var f struct {
		addedToken
		Normalized *bool `json:"normalized"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	o.addedToken = f.addedToken
	o.Normalized = !o.Special
	if f.Normalized != nil {
		o.Normalized = *f.Normalized
	}
	return nil
}

// specialKeys are the keys of special tokens, in the order in which they are added.
var specialKeys = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// mergeTokens reads tokenizer_config.json.
func (c *config) mergeTokens(data []byte) error {
	if err := c.merge(data); err != nil {
		return err
	}
	if err := c.mergeSpecial(data); err != nil {
		return err
	}
	return c.mergeAdded(data)
}

// mergeSpecialTokensMap reads special_tokens_map.json, whose tokens are added where no added_tokens_decoder is.
func (c *config) mergeSpecialTokensMap(data []byte) error {
	if err := c.merge(data); err != nil || c.hasDecoder {
		return err
	}
	if err := c.mergeSpecial(data); err != nil {
		return err
	}
	return c.mergeAdded(data)
}

func (c *config) mergeAdded(data []byte) error {
	var f map[string]json.RawMessage
	if err := json.Unmarshal(data, &f); err != nil {
		return describeJSON(data, err)
	}
	if raw, ok := f["added_tokens_decoder"]; ok && !isNull(raw) {
		c.hasDecoder = true
		var entries map[string]otherToken
		if err := json.Unmarshal(raw, &entries); err != nil {
			return fmt.Errorf("added_tokens_decoder: %w", describeJSON(raw, err))
		}
		for key, o := range entries {
			id, err := strconv.Atoi(key)
			if err != nil || id < 0 || id > maxID {
				return fmt.Errorf("added_tokens_decoder has the id %q, want 0 to %d", shortened(key), maxID)
			}
			o.ID, o.where, o.exact = id, c.file+": added_tokens_decoder", true
			c.others = append(c.others, o)
		}
		sort.Slice(c.others, func(i, j int) bool { return c.others[i].ID < c.others[j].ID })
	}
	for _, key := range specialKeys {
		if err := c.mergeNamed(key, f[key]); err != nil {
			return err
		}
	}
	for _, key := range []string{"extra_special_tokens", "additional_special_tokens"} {
		var list []json.RawMessage
		var named map[string]json.RawMessage
		if raw := f[key]; !isNull(raw) && json.Unmarshal(raw, &list) != nil {
			if err := json.Unmarshal(raw, &named); err != nil {
				return fmt.Errorf("%s is neither a list nor an object of tokens", key)
			}
		}
		for name := range named {
			list = append(list, named[name])
		}
		sort.SliceStable(list, func(i, j int) bool { return len(named) > 0 && string(list[i]) < string(list[j]) })
		for _, raw := range list {
			if err := c.mergeNamed(key, raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeNamed takes the token of a key. Of two files the later one decides, as in transformers, and null is none.
func (c *config) mergeNamed(key string, raw json.RawMessage) error {
	if slices.Contains(specialKeys, key) && raw != nil {
		c.specials = slices.DeleteFunc(c.specials, func(o otherToken) bool { return o.where == key })
	}
	if isNull(raw) {
		return nil
	}
	var o otherToken
	if err := json.Unmarshal(raw, &o); err != nil {
		return fmt.Errorf("%s: %w", key, describeJSON(raw, err))
	}
	o.where, o.Special = key, true
	c.specials = append(c.specials, o)
	return nil
}

// mergeAddedTokens reads added_tokens.json, {token: id}, which counts where no added_tokens_decoder does.
func (c *config) mergeAddedTokens(data []byte) error {
	var ids map[string]int
	if err := json.Unmarshal(data, &ids); err != nil {
		return describeJSON(data, err)
	}
	if c.hasDecoder {
		return nil
	}
	for content, id := range ids {
		special := slices.ContainsFunc(c.specials, func(o otherToken) bool { return o.Content == content })
		c.others = append(c.others, otherToken{addedToken{ID: id, Content: content, Normalized: !special, Special: special}, "added_tokens.json", true})
	}
	sort.Slice(c.others, func(i, j int) bool { return c.others[i].ID < c.others[j].ID })
	return nil
}

// addOthers adds the tokens of the other files to those of tokenizer.json.
func (p *parts) addOthers(c config) error {
	listed := map[string]int{} // content → place in p.added
	next := len(p.vocab)       // the id of a token that is nowhere, as Hugging Face counts
	for i, a := range p.added {
		listed[a.Content] = i
		next = max(next, a.ID+1)
	}
	add := func(o otherToken) error {
		at, have := listed[o.Content]
		id, known := p.vocab[o.Content]
		if have {
			id, known = p.added[at].ID, true
		}
		switch {
		case o.exact && known && id != o.ID:
			return fmt.Errorf("%s gives %q the id %d, and tokenizer.json %d: the files do not belong together", o.where, shortened(o.Content), o.ID, id)
		case o.exact && !known && o.ID != next:
			return fmt.Errorf("%s gives %q the id %d, and tokenizer.json leads up to %d: tokens between them are missing, or the files do not belong together",
				o.where, shortened(o.Content), o.ID, next-1)
		case !known:
			id = next
		}
		o.ID = id
		if have {
			o.Special = o.Special || p.added[at].Special // it stays among those that Decode may leave out
			p.added[at] = o.addedToken
			return nil
		}
		listed[o.Content] = len(p.added)
		p.added = append(p.added, o.addedToken)
		next = max(next, id+1)
		return nil
	}
	isSpecial := func(content string) bool {
		return slices.ContainsFunc(c.specials, func(o otherToken) bool { return o.Content == content })
	}
	for _, o := range c.others {
		if _, have := listed[o.Content]; have && !c.hasDecoder {
			continue // before added_tokens.json, tokenizer.json counts
		}
		o.Special = o.Special || isSpecial(o.Content)
		if err := add(o); err != nil {
			return err
		}
	}
	for _, o := range c.specials {
		_, have := listed[o.Content]
		if _, known := p.vocab[o.Content]; have || o.Content == "" || !known && (o.where == "bos_token" || o.where == "eos_token") {
			continue // what begins or ends a text must be there: name refuses it
		}
		if err := add(o); err != nil {
			return err
		}
	}
	return nil
}
