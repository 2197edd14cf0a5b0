package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fixedNow() time.Time { return time.Date(2026, 7, 4, 15, 5, 9, 0, time.UTC) }

// withTemplate is a tokenizer with nothing but a chat template.
func withTemplate(template string) *Tokenizer {
	return &Tokenizer{templates: map[string]string{"default": template}, special: map[string]string{"bos_token": "<s>", "eos_token": "</s>"}, now: fixedNow}
}

// chat.jsonl.gz has what the reference Jinja for JavaScript renders.
func TestChatTemplatesRenderExactly(t *testing.T) {
	t.Parallel()
	type rendered struct {
		Name     string `json:"n"`
		Generate bool   `json:"g"`
		Template string
		Messages json.RawMessage
		BOS, EOS string
		ToolsV   json.RawMessage
		Want     *string
		Err      *string
	}
	counts := map[string]int{}
	for i, r := range readLines[rendered](t, needShared(t, "tokenizers", "chat.jsonl.gz")) {
		object := `{"messages": ` + string(r.Messages) + `}`
		if r.ToolsV != nil {
			object = `{"messages": ` + string(r.Messages) + `, "tools": ` + string(r.ToolsV) + `}`
		}
		c, err := ParseChat([]byte(object))
		require.NoError(t, err)
		tok := withTemplate(r.Template)
		tok.special["bos_token"], tok.special["eos_token"] = r.BOS, r.EOS
		got, err := tok.ApplyChat(c, r.Generate)
		counts[r.Name]++
		require.Nil(t, r.Err)
		require.NoError(t, err, "%d %s", i, r.Name)
		assert.Equal(t, *r.Want, got, "%d %s", i, r.Name)
	}
	assert.Equal(t, map[string]int{"llama3_1": 12, "qwen3": 12, "gemma3": 12, "deepseek_v3": 12}, counts)
}

// The prompt "chat" of the lens goldens, which transformers' template made.
func TestSmolLM2ChatIsTheOneOfTheLensPrompt(t *testing.T) {
	t.Parallel()
	tok, err := FromGGUF(smolLM2Metadata(t))
	require.NoError(t, err)
	var prompts []struct {
		Name, Prompt string
		IDs          []int
	}
	require.NoError(t, json.Unmarshal(read(t, "testdata", "smollm2", "prompts.json.gz"), &prompts))
	require.Equal(t, "chat", prompts[0].Name)
	_, question, _ := strings.Cut(prompts[0].Prompt, "<|im_start|>user\n")
	question, _, _ = strings.Cut(question, "<|im_end|>")
	got, ids, turns, err := tok.EncodeChat(NewChat(Message{"user", question}), true)
	require.NoError(t, err)
	assert.Equal(t, prompts[0].Prompt, got)
	assert.Equal(t, prompts[0].IDs, ids)
	require.Len(t, turns, 1)
	require.NoError(t, turns[0].Err())
	text, err := tok.Decode(ids[turns[0].From:turns[0].To], false)
	require.NoError(t, err)
	assert.Equal(t, question, text)
}

func TestTurnsAreWhereTheirTextsStand(t *testing.T) {
	t.Parallel()
	tok, err := FromGGUF(smolLM2Metadata(t))
	require.NoError(t, err)
	tok.templates = map[string]string{"default": `{% set ns = namespace(sys='') %}{% for m in messages if m.role == 'system' %}{% set ns.sys = m.content | trim %}{% endfor %}` +
		`{% for m in messages if m.role != 'system' %}<|im_start|>{{ m.role }}
{% if m.content is string %}{{ ns.sys ~ ' / ' if loop.first }}{{ m.content.split('</think>')[-1].strip() }}{% else %}{% for p in m.content %}[{{ p.text }}]{% endfor %}{% endif %}<|im_end|>
{% endfor %}`}
	c, err := ParseChat([]byte(`[{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "user\n"}, {"role": "assistant", "content": "<think>hm</think> Well."},
		{"role": "user", "content": [{"type": "text", "text": "A"}, {"type": "note"}, {"type": "text", "text": " b "}]}, {"role": "user", "content": " "}]`))
	require.NoError(t, err)
	text, ids, turns, err := tok.EncodeChat(c, false)
	require.NoError(t, err)
	assert.Equal(t, "<|im_start|>user\nBe brief. / user<|im_end|>\n<|im_start|>assistant\nWell.<|im_end|>\n<|im_start|>user\n[A][][ b ]<|im_end|>\n<|im_start|>user\n<|im_end|>\n", text)
	var got []string
	for _, turn := range turns {
		if turn.Err() != nil {
			got = append(got, turn.Name()+" "+turn.Err().Error())
			continue
		}
		text, err := tok.Decode(ids[turn.From:turn.To], false)
		require.NoError(t, err)
		got = append(got, turn.Name()+" "+text)
	}
	assert.Equal(t, []string{
		"system:0 Be brief.", "user:0  user",
		"assistant:0 the template leaves the message's text out, writes it twice, or changes it",
		"user:1 A][][ b", "user:2 the message has no text",
	}, got) // a token may hold a space or a bracket beside the text
}

// A template that looks at one text does not hide where the others stand.
func TestTurnsAreFoundOneByOneWhereTheTemplateMindsTheMarks(t *testing.T) {
	t.Parallel()
	tok, err := FromGGUF(smolLM2Metadata(t))
	require.NoError(t, err)
	tok.templates = map[string]string{"default": `{% for m in messages %}{% if m.content == 'skip' %}!{% else %}{{ m.content }}|{% endif %}{% endfor %}`}
	text, ids, turns, err := tok.EncodeChat(NewChat(Message{"user", "one two"}, Message{"user", "skip"}, Message{"user", "three"}), false)
	require.NoError(t, err)
	assert.Equal(t, "one two|!three|", text)
	require.EqualError(t, turns[1].Err(), "the template leaves the message's text out, writes it twice, or changes it")
	for i, want := range map[int]string{0: "one two", 2: "three"} {
		require.NoError(t, turns[i].Err())
		got, err := tok.Decode(ids[turns[i].From:turns[i].To], false)
		require.NoError(t, err)
		assert.Contains(t, got, want)
	}
}

func TestSpecialTokensAreVariablesAsInTransformers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ config, special, want string }{
		"names":              {`{"bos_token": "<a>", "pad_token": {"content": "<b>"}, "image_token": "<a>", "extra_special_tokens": {"audio_token": "<b>"}}`, `{}`, "<a>,<b>,<a>,<b>,"},
		"null is none":       {`{"bos_token": null, "pad_token": "<a>"}`, `{"pad_token": null}`, ",,,,"},
		"the later decides":  {`{"bos_token": "<a>", "pad_token": "<a>"}`, `{"pad_token": "<b>"}`, "<a>,<b>,,,"},
		"unless listed":      {`{"bos_token": "<a>", "pad_token": "<a>", "added_tokens_decoder": {}}`, `{"pad_token": "<b>"}`, "<a>,<a>,,,"},
		"in the map alone":   {`{}`, `{"bos_token": "<b>", "pad_token": {"content": "<b>"}}`, "<b>,<b>,,,"},
		"no text is no name": {`{"extra_special_tokens": ["<a>"]}`, `{}`, ",,,,"},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{
			"tokenizer.json":          `{"added_tokens": [{"id": 0, "content": "<a>", "special": true}, {"id": 1, "content": "<b>", "special": true}], "model": {"type": "BPE", "vocab": {"<a>": 0, "<b>": 1}, "merges": []}}`,
			"tokenizer_config.json":   c.config,
			"special_tokens_map.json": c.special,
			"chat_template.jinja":     "{% for t in [bos_token, pad_token, image_token, audio_token] %}{{ t }},{% endfor %}",
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
		}
		tok, err := Open(dir)
		require.NoError(t, err, name)
		got, err := tok.ApplyChat(NewChat(Message{"user", "a"}), false)
		require.NoError(t, err, name)
		assert.Equal(t, strings.TrimSuffix(c.want, ","), strings.TrimSuffix(got, ","), name)
	}
}

func TestTheTemplateIsTheOneThatTransformersTakes(t *testing.T) {
	t.Parallel()
	const tool = `, "tools": [{"name": "f"}]`
	for name, c := range map[string]struct {
		files map[string]string
		tools string
		want  string
	}{
		"the config's":              {map[string]string{"tokenizer_config.json": `{"chat_template": "c"}`, "chat_template.json": `{"chat_template": "j"}`}, "", "c"},
		"a file before the config":  {map[string]string{"tokenizer_config.json": `{"chat_template": "c"}`, "chat_template.jinja": "f"}, "", "f"},
		"a processor's":             {map[string]string{"chat_template.json": `{"chat_template": "j"}`}, "", "j"},
		"the default of several":    {map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]}`}, "", "d"},
		"of several that for tools": {map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]}`}, tool, "t"},
		"a folder's for tools":      {map[string]string{"chat_template.jinja": "f", "additional_chat_templates/tool_use.jinja": "t"}, tool, "t"},
		"none":                      {nil, "", "tokenizer: chat: the files hold no chat template: encode the text without one"},
		"no default":                {map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "rag", "template": "d"}]}`}, "", "tokenizer: chat: the files hold chat templates for rag, and no default one: encode the text without one"},
	} {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "additional_chat_templates"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(`{"added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}`), 0o600))
		for file, text := range c.files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
		}
		tok, err := Open(dir)
		require.NoError(t, err, name)
		chat, err := ParseChat([]byte(`{"messages": [{"role": "user", "content": "x"}]` + c.tools + `}`))
		require.NoError(t, err, name)
		got, err := tok.ApplyChat(chat, false)
		if err != nil {
			got = err.Error()
		}
		assert.Equal(t, c.want, got, name)
	}
}

func TestChatErrorsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ template, want string }{
		{"", "tokenizer: chat: the files hold no chat template: encode the text without one"},
		{"{{ raise_exception('roles must alternate') }}", "tokenizer: chat: the model's chat template: line 1: the template does not accept these messages: roles must alternate"},
		{"{% if %}", `tokenizer: chat: the model's chat template: line 1: Expected an expression, got 'end of statement block'`},
		{"{% include '/etc/hostname' %}", `tokenizer: chat: the model's chat template: line 1: {% include %} is not allowed: a chat template is one text, write the other into it`},
		{"{% for i in range(1000000000) %}{% endfor %}x", "line 1: Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000)."},
	} {
		out, err := withTemplate(c.template).ApplyChat(NewChat(Message{"user", "a"}), false)
		require.ErrorContains(t, err, c.want)
		assert.NotContains(t, err.Error(), "\n")
		assert.Empty(t, out)
	}
	for text, want := range map[string]string{
		``: "messages: it is empty", `[]`: "want a list of messages", `{}`: "want a list of messages", `[1]`: "number 0 is no object", `[{"content": "x"}]`: `number 0 has no "role"`,
		`{"messages": [{"role": "user"}], "tool": 1}`: `the key "tool" is unknown`, `{"messages": [{"role": "user"}], "tools": [1]}`: "tools is no list of objects",
		`[{"role": "user"}] x`: "messages: this is not JSON: ",
		"[1]\n[2]":             "the first line is JSON of its own", `{"role": "user", "content": "x"}`: "this is one message: put it into a list", `[[{"role": "user"}]]`: "number 0 is no object but a list",
		"\xff\xfe[\x00": "UTF-16", "\xef\xbb\xbf ": "it is empty", `"Hi"`: "want a list of messages, such as",
		`[{"role": "user", "content": 3}]`: "the content 3 is neither a text nor a list of parts", `[{"role": "user", "content": ["a"]}]`: `part 0 of the content is no object: want {"type": "text"`,
		`[{"role": "user", "content": [{"type": "text"}]}]`: `has no "text"`, `[{"role": "user", "content": [{"image": "x"}]}]`: `is "image", and mlxlens reads text alone`,
		`{"messages": [{"role": "user"}], "chat_template_kwargs": {"tools": []}}`:                    `has "tools": give it beside`,
		`{"messages": [{"role": "user"}], "chat_template_kwargs": {"continue_final_message": true}}`: `"continue_final_message", which is an argument of transformers`,
		`{"messages": [{"role": "user"}], "chat_template_kwargs": {"add_generation_prompt": 1}}`:     "neither true nor false",
		`{"messages": [{"role": "user"}], "chat_template_kwargs": 1}`:                                "chat_template_kwargs is no object",
		strings.Repeat("[", 100000): "deeper than",
	} {
		_, err := ParseChat([]byte(text))
		require.ErrorContains(t, err, want, "%.50s", text)
	}
}

// transformers gives a template add_generation_prompt by its argument; mlxlens's file of messages has the same one.
func TestAFileOfMessagesDecidesOnTheGenerationPrompt(t *testing.T) {
	t.Parallel()
	for kwargs, want := range map[string]string{`{}`: "falsetrue", `{"add_generation_prompt": true}`: "truetrue", `{"add_generation_prompt": false}`: "falsefalse"} {
		c, err := ParseChat([]byte(`{"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": ` + kwargs + `}`))
		require.NoError(t, err)
		var got string
		for _, asked := range []bool{false, true} {
			text, err := withTemplate("{{ add_generation_prompt | tojson }}").ApplyChat(c, asked)
			require.NoError(t, err)
			got += text
		}
		require.Equal(t, want, got)
	}
}

func TestPartsAreRefusedWhereATemplateTakesTexts(t *testing.T) {
	t.Parallel()
	c, err := ParseChat([]byte(`[{"role": "user", "content": [{"type": "text", "text": "a"}]}]`))
	require.NoError(t, err)
	for template, want := range map[string]string{
		"{{ '<' + messages[0].content }}":    "which this template may not take: write it as one text",
		"{{ messages[0].content }}":          "it writes the content of message 0 as Python prints it, [{'type': 'text', 'text': 'a'}]…",
		"{{ '<' ~ messages[0]['content'] }}": "write the content as one text",
	} {
		_, err := withTemplate(template).ApplyChat(c, false)
		require.ErrorContains(t, err, want)
	}
	text, err := withTemplate("{% for p in messages[0].content %}{{ p.text }}{% endfor %}").ApplyChat(c, false)
	require.NoError(t, err)
	require.Equal(t, "a", text)
}
