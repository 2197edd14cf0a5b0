package tokenizer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const lettersFile = `{"version":"1.0","truncation":null,"padding":null,"added_tokens":[
	{"id":6,"content":"<e>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
	"normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":{"type":"Fuse"},
	"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"<":3,">":4," ":5},"merges":["a b"]}}`

// The ids and texts are those of transformers 5.23 with AutoTokenizer.from_pretrained on a folder of these files.
func TestTokensOfTheOtherFilesAreTokens(t *testing.T) {
	t.Parallel()
	tool := `{"content":"<t>","lstrip":false,"rstrip":false,"normalized":false,"single_word":false,"special":true}`
	for name, c := range map[string]struct {
		files   []string
		text    string
		ids     []int
		visible string // without special tokens
	}{
		"added_tokens_decoder":     {[]string{"tokenizer_config.json", `{"added_tokens_decoder":{"7":` + tool + `}}`}, "a<t>b", []int{0, 7, 1}, "ab"},
		"by the order of ids":      {[]string{"tokenizer_config.json", `{"added_tokens_decoder":{"8":{"content":"<u>"},"7":` + tool + `}}`}, "<u><t>", []int{8, 7}, "<u>"},
		"its flags count":          {[]string{"tokenizer_config.json", `{"added_tokens_decoder":{"6":{"content":"<e>","rstrip":true,"special":true}}}`}, "a<e>  b", []int{0, 6, 1}, "ab"},
		"of the vocabulary":        {[]string{"tokenizer_config.json", `{"added_tokens_decoder":{"1":{"content":"b","lstrip":true,"single_word":true}}}`}, "a b ab", []int{0, 1, 5, 2}, "ab ab"},
		"not special":              {[]string{"tokenizer_config.json", `{"added_tokens_decoder":{"6":{"content":"<e>","special":false}}}`}, "a<e>", []int{0, 6}, "a"},
		"added_tokens.json":        {[]string{"added_tokens.json", `{"<t>":7}`}, "a<t>", []int{0, 7}, "a<t>"},
		"its special tokens":       {[]string{"added_tokens.json", `{"<t>":7,"<p>":8}`, "special_tokens_map.json", `{"pad_token":"<p>"}`}, "a<t><p>", []int{0, 7, 8}, "a<t>"},
		"but for the decoder":      {[]string{"added_tokens.json", `{"<t>":7}`, "tokenizer_config.json", `{"added_tokens_decoder":{}}`}, "a<>", []int{0, 3, 4}, "a<>"},
		"a named token":            {[]string{"tokenizer_config.json", `{"pad_token":"<p>"}`}, "a<p>", []int{0, 7}, "a"},
		"one of the vocabulary":    {[]string{"tokenizer_config.json", `{"unk_token":"b"}`}, "ab", []int{0, 1}, "a"},
		"of special_tokens_map":    {[]string{"special_tokens_map.json", `{"sep_token":{"content":"b"}}`}, "ab", []int{0, 1}, "a"},
		"which decides":            {[]string{"tokenizer_config.json", `{"pad_token":"a"}`, "special_tokens_map.json", `{"pad_token":"b"}`}, "ab", []int{0, 1}, "a"},
		"and may say none":         {[]string{"tokenizer_config.json", `{"pad_token":"b"}`, "special_tokens_map.json", `{"pad_token":null}`}, "ab", []int{2}, "ab"},
		"extra tokens":             {[]string{"tokenizer_config.json", `{"additional_special_tokens":["<x>","<y>"]}`}, "<y><x>", []int{8, 7}, ""},
		"extra tokens with a name": {[]string{"tokenizer_config.json", `{"extra_special_tokens":{"image_token":"<x>"}}`}, "a<x>", []int{0, 7}, "a"},
		"named, so special":        {[]string{"tokenizer_config.json", `{"eos_token":"b","added_tokens_decoder":{"1":{"content":"b","special":false}}}`}, "ab", []int{0, 1}, "a"},
	} {
		tok, err := Open(write(t, append([]string{"tokenizer.json", lettersFile}, c.files...)...))
		require.NoError(t, err, name)
		ids, err := tok.Encode(c.text, true)
		require.NoError(t, err, name)
		assert.Equal(t, c.ids, ids, name)
		visible, err := tok.Decode(ids, true)
		require.NoError(t, err, name)
		assert.Equal(t, c.visible, visible, name)
	}
}

func TestTheCaseOfAddedTokensDecoder(t *testing.T) {
	t.Parallel()
	tok, err := Open(needShared(t, "cases", "config", "tok-added-tokens-decoder"))
	require.NoError(t, err)
	ids, err := tok.Encode("a<tool>", true)
	require.NoError(t, err)
	assert.Equal(t, []int{97, 259}, ids)
}

func TestTokensOfOtherFilesThatDoNotBelongAreErrors(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{"added_tokens_decoder":{"9":{"content":"<t>"}}}`:  `added_tokens_decoder gives "<t>" the id 9, and tokenizer.json leads up to 6: tokens between them are missing, or the files do not belong together`,
		`{"added_tokens_decoder":{"5":{"content":"<e>"}}}`:  `added_tokens_decoder gives "<e>" the id 5, and tokenizer.json 6: the files do not belong together`,
		`{"added_tokens_decoder":{"0":{"content":"b"}}}`:    `added_tokens_decoder gives "b" the id 0, and tokenizer.json 1: the files do not belong together`,
		`{"added_tokens_decoder":{"x":{"content":"<t>"}}}`:  `added_tokens_decoder has the id "x", want 0 to 4194304`,
		`{"added_tokens_decoder":{"-7":{"content":"<t>"}}}`: `added_tokens_decoder has the id "-7", want 0 to 4194304`,
		`{"added_tokens_decoder":[]}`:                       `added_tokens_decoder: it holds a JSON array, want an object: the file is corrupt, download it again`,
		`{"extra_special_tokens":7}`:                        `extra_special_tokens is neither a list nor an object of tokens`,
		`{"pad_token":7}`:                                   `pad_token: it holds a JSON number, want an object: the file is corrupt, download it again`,
		`{"eos_token":"</s>"}`:                              `eos_token "</s>" is not in the vocabulary`,
	} {
		_, err := FromJSON([]byte(lettersFile), []byte(config))
		assert.EqualError(t, err, "tokenizer: tokenizer_config.json: "+want)
	}
	dir := write(t, "tokenizer.json", lettersFile, "added_tokens.json", `{"<t>":12}`)
	_, err := Open(dir)
	assert.EqualError(t, err, "tokenizer: "+dir+`: added_tokens.json gives "<t>" the id 12, and tokenizer.json leads up to 6: tokens between them are missing, or the files do not belong together`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "added_tokens.json"), []byte(`[]`), 0o600))
	_, err = Open(dir)
	assert.EqualError(t, err, "tokenizer: "+filepath.Join(dir, "added_tokens.json")+": it holds a JSON array, want an object: the file is corrupt, download it again")
}
