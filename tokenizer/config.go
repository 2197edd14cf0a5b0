package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// config is what the files beside tokenizer.json say. The first file that speaks of a token decides.
type config struct {
	file         string // that is being read
	bos, eos     tokenName
	bosID        *fileID
	eosIDs       []fileID
	templates    map[string]string // by name
	special      map[string]string // texts of tokens by their names: pad_token, …
	bosMentioned bool              // even as null: the model has none

	others     []otherToken // tokens that tokenizer.json may lack, by id
	specials   []otherToken // special tokens by their keys, in the order of specialKeys
	hasDecoder bool         // others are those of added_tokens_decoder
}

// tokenName is a token given as its text or as {"content": text}; null is none.
type tokenName struct{ content, file string }

// fileID is the id that a file gives.
type fileID struct {
	id   int
	file string
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *tokenName) UnmarshalJSON(data []byte) error {
	var object struct {
		Content string `json:"content"`
	}
	if len(data) > 0 && data[0] == '{' {
		err := json.Unmarshal(data, &object)
		n.content = object.Content
		return err
	}
	return json.Unmarshal(data, &n.content)
}

// idList is one id or a list of ids.
type idList []int

// UnmarshalJSON implements json.Unmarshaler.
func (l *idList) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		var ids []*int
		if err := json.Unmarshal(data, &ids); err != nil {
			return err
		}
		for _, id := range ids {
			if id == nil {
				return errors.New("a list of ids of tokens holds null")
			}
			*l = append(*l, *id)
		}
		return nil
	}
	var id *int
	if err := json.Unmarshal(data, &id); err != nil {
		return err
	}
	if id != nil {
		*l = idList{*id}
	}
	return nil
}

// check refuses numbers that are no ids, and leaves out −1, which stands for none.
func (l *idList) check(key string) error {
	for _, id := range *l {
		if id < -1 {
			return fmt.Errorf("%q holds %d, want the id of a token: the file is corrupt, download it again", key, id)
		}
	}
	*l = slices.DeleteFunc(*l, func(id int) bool { return id == -1 })
	return nil
}

// merge adds what one more file says.
func (c *config) merge(data []byte) error {
	var f struct {
		BOS      json.RawMessage `json:"bos_token"`
		EOS      tokenName       `json:"eos_token"`
		BOSID    idList          `json:"bos_token_id"`
		EOSIDs   idList          `json:"eos_token_id"`
		Template json.RawMessage `json:"chat_template"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return describeJSON(data, err)
	}
	if f.BOS != nil && !c.bosMentioned {
		c.bosMentioned = true
		if err := json.Unmarshal(f.BOS, &c.bos); err != nil {
			return fmt.Errorf("bos_token: %w", describeJSON(f.BOS, err))
		}
		c.bos.file = c.file
	}
	if c.eos.content == "" {
		c.eos = tokenName{f.EOS.content, c.file}
	}
	for key, ids := range map[string]*idList{"bos_token_id": &f.BOSID, "eos_token_id": &f.EOSIDs} {
		if err := ids.check(key); err != nil {
			return err
		}
	}
	if len(f.BOSID) > 0 {
		c.bosID = &fileID{f.BOSID[0], c.file}
	}
	for _, id := range f.EOSIDs {
		c.eosIDs = append(c.eosIDs, fileID{id, c.file})
	}
	return c.mergeTemplates(f.Template)
}

// mergeTemplates takes a chat_template, which is a text or a list of named ones.
func (c *config) mergeTemplates(data json.RawMessage) error {
	if isNull(data) {
		return nil
	}
	var text string
	if json.Unmarshal(data, &text) == nil {
		c.templates = map[string]string{"default": text}
		return nil
	}
	var named []struct {
		Name     string `json:"name"`
		Template string `json:"template"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return errors.New("chat_template is neither a text nor a list of named texts")
	}
	c.templates = map[string]string{}
	for _, n := range named {
		c.templates[n.Name] = n.Template
	}
	return nil
}

// mergeSpecial takes the texts of tokens with a name that ends in _token, and of those in extra_special_tokens. Of two
// files the later one decides, as in transformers.
func (c *config) mergeSpecial(data []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return describeJSON(data, err)
	}
	var extra map[string]json.RawMessage
	if json.Unmarshal(keys["extra_special_tokens"], &extra) != nil {
		extra = nil // a list: its tokens have no names
	}
	if c.special == nil {
		c.special = map[string]string{}
	}
	for name, text := range keys {
		if strings.HasSuffix(name, "_token") {
			c.setSpecial(name, text)
		}
	}
	for name, text := range extra {
		c.setSpecial(name, text)
	}
	return nil
}

func (c *config) setSpecial(name string, text json.RawMessage) {
	delete(c.special, name)
	var token tokenName
	if !isNull(text) && json.Unmarshal(text, &token) == nil && (text[0] == '"' || text[0] == '{') {
		c.special[name] = token.content
	}
}

// name gives t its BOS, EOS and chat template: by the files' words, and where none speaks of BOS by the special
// token that the post-processor puts first. EOS are generation_config's ids, then the token of the other files.
func (t *Tokenizer) name(p *parts, c config) error {
	if c.bos.content != "" {
		id, ok := t.lookup(c.bos.content)
		if !ok {
			return fmt.Errorf("%s: bos_token %q is not in the vocabulary", c.bos.file, c.bos.content)
		}
		t.bos = id
	} else if !c.bosMentioned {
		if p.template != nil && len(p.template.before) > 0 {
			t.bos = p.template.before[0]
		} else if c.bosID != nil && t.knows("bos_token_id", *c.bosID) {
			t.bos = c.bosID.id
		}
	}
	for _, id := range c.eosIDs {
		t.knows("eos_token_id", id)
		t.addEOS(id.id) // a row that pads the model's matrices may be meant
	}
	if c.eos.content != "" {
		id, ok := t.lookup(c.eos.content)
		if !ok {
			return fmt.Errorf("%s: eos_token %q is not in the vocabulary", c.eos.file, c.eos.content)
		}
		t.addEOS(id)
	}
	t.templates = c.templates
	t.finish(p)
	if c.bosMentioned {
		delete(t.special, "bos_token") // what the files say of it is among theirs
	}
	maps.Copy(t.special, c.special)
	return nil
}

// knows reports whether an id is a token's, and notes one that is not: files that were merged of two models have such ids.
func (t *Tokenizer) knows(key string, id fileID) bool {
	if id.id < t.VocabSize() {
		return true
	}
	t.notes = append(t.notes, fmt.Sprintf("%s: %s is %d, and the tokenizer's ids go from 0 to %d: it names no token", id.file, key, id.id, t.VocabSize()-1))
	return false
}

// lookup finds a token by its text in the file.
func (t *Tokenizer) lookup(content string) (int, bool) {
	if id, ok := t.addedIDs[content]; ok {
		return id, true
	}
	id, ok := (*t.model.Vocab)[content]
	return id, ok
}

func (t *Tokenizer) addEOS(id int) {
	for _, have := range t.eos {
		if have == id {
			return
		}
	}
	t.eos = append(t.eos, id)
}

// finish sets what follows from BOS, EOS and the parts.
func (t *Tokenizer) finish(p *parts) {
	t.addsBOS = t.bos >= 0 && p.template != nil && len(p.template.before) > 0 && p.template.before[0] == t.bos
	t.special = map[string]string{}
	if text, ok := t.Piece(t.bos); ok {
		t.special["bos_token"] = text
	}
	if len(t.eos) > 0 {
		t.special["eos_token"], _ = t.Piece(t.eos[0])
	}
}
