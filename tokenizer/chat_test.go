package tokenizer

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fixedNow() time.Time { return time.Date(2026, 7, 4, 15, 5, 9, 0, time.UTC) }

// chat.jsonl.gz has what the reference Jinja for JavaScript renders; with tools is not implemented.
func TestChatTemplatesRenderExactly(t *testing.T) {
	t.Parallel()
	type rendered struct {
		Name     string `json:"n"`
		Generate bool   `json:"g"`
		Tools    bool
		Template string
		Messages []Message
		BOS, EOS string
		Want     *string
		Err      *string
	}
	counts := map[string]int{}
	for i, r := range readLines[rendered](t, needShared(t, "tokenizers", "chat.jsonl.gz")) {
		if r.Tools {
			continue
		}
		got, err := chat{r.Template, r.BOS, r.EOS, fixedNow}.render(r.Messages, r.Generate)
		counts[r.Name]++
		require.Nil(t, r.Err)
		require.NoError(t, err, "%d %s", i, r.Name)
		assert.Equal(t, *r.Want, got, "%d %s", i, r.Name)
	}
	assert.Equal(t, map[string]int{"llama3_1": 6, "qwen3": 6, "gemma3": 6, "deepseek_v3": 6}, counts)
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
	got, err := tok.ApplyChat([]Message{{"user", question}}, true)
	require.NoError(t, err)
	assert.Equal(t, prompts[0].Prompt, got)
	ids, err := tok.Encode(got, false)
	require.NoError(t, err)
	assert.Equal(t, prompts[0].IDs, ids)
}

func TestChatTemplatesSeeTheFunctionsOfTransformers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ template, want string }{
		{`{{ bos_token }}{{ messages[0].content | tojson }}{{ eos_token }}`, `<s>"<é> \"q\" 'n'"</s>`},
		{`{{ strftime_now("%d %b %Y %H:%M:%S %%") }}`, "04 Jul 2026 15:05:09 %"},
		{"{% if tools is defined and tools is not none %}x{% endif %}{% if add_generation_prompt %}g{% endif %}", "g"},
		{"  {% if true %}\na\n  {% endif %}\nb", "a\nb"},
		{`{% for m in messages %}{% if loop.index == 2 %}{% break %}{% endif %}{{ m['role'] }}{% endfor %}`, "user"},
	} {
		got, err := chat{c.template, "<s>", "</s>", fixedNow}.render([]Message{{"user", `<é> "q" 'n'`}, {"assistant", "b"}}, true)
		require.NoError(t, err, c.template)
		assert.Equal(t, c.want, got, c.template)
	}
}

func TestChatErrorsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ template, want string }{
		{"", "tokenizer: chat: the files hold no chat template: encode the text without one"},
		{"{{ raise_exception('roles must alternate') }}", "tokenizer: chat: the template does not accept these messages: roles must alternate"},
		{`{{ strftime_now("%Q") }}`, `tokenizer: chat: strftime_now("%Q") is not implemented (have: %a %A %b %B %d %H %I %j %m %M %p %S %y %Y)`},
		{"{% if %}", `tokenizer: chat: the template cannot be read: `},
		{"{{ messages | tojson }}", "tojson of a list or an object is not implemented"},
		{"{% include '/etc/hostname' %}", `a chat template cannot include`},
	} {
		tok := &Tokenizer{chatTemplate: c.template}
		out, err := tok.ApplyChat([]Message{{"user", "a"}}, false)
		require.ErrorContains(t, err, c.want)
		assert.NotContains(t, err.Error(), "\n")
		assert.Empty(t, out)
	}
}
