package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	gonja "github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
)

// A Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user" or "assistant", as a rule
	Content string
}

// ApplyChat writes a conversation as the text that the model was trained on, by the chat template of its files; with
// addGenerationPrompt the text ends where the assistant's answer begins. Encode that text with special false: the
// template writes BOS itself. Tools and documents are not passed to the template.
func (t *Tokenizer) ApplyChat(messages []Message, addGenerationPrompt bool) (string, error) {
	if t.chatTemplate == "" {
		return "", errors.New("tokenizer: chat: the files hold no chat template: encode the text without one")
	}
	c := chat{template: t.chatTemplate, bos: t.bosText, eos: t.eosText, now: time.Now}
	out, err := c.render(messages, addGenerationPrompt)
	if err != nil {
		return "", fmt.Errorf("tokenizer: chat: %w", err)
	}
	return out, nil
}

// chat is what a template sees beside the messages.
type chat struct {
	template, bos, eos string
	now                func() time.Time
}

// render runs the template with the settings and functions of transformers (apply_chat_template: trim_blocks,
// lstrip_blocks, raise_exception, strftime_now, tojson that escapes nothing for HTML).
func (c chat) render(messages []Message, addGenerationPrompt bool) (out string, err error) {
	// gonja has panics of its own on templates that it does not expect.
	defer func() {
		if r := recover(); r != nil {
			out, err = "", fmt.Errorf("the template stopped with %q", fmt.Sprint(r))
		}
	}()
	config := gonja.New()
	config.TrimBlocks, config.LeftStripBlocks = true, true
	template, err := exec.NewTemplate("chat_template", config, onlyTemplate(rewriteInlineIfs(c.template)), chatEnvironment())
	if err != nil {
		return "", fmt.Errorf("the template cannot be read: %s", c.reason(err))
	}
	list := make([]map[string]any, len(messages))
	for i, m := range messages {
		list[i] = map[string]any{"role": m.Role, "content": m.Content}
	}
	var raised error
	out, err = template.ExecuteToString(exec.NewContext(map[string]any{
		"messages": list, "add_generation_prompt": addGenerationPrompt, "bos_token": c.bos, "eos_token": c.eos,
		"tools": nil, "documents": nil,
		inlineIf: func(value *exec.Value, test *exec.Value, otherwise *exec.Value) *exec.Value {
			if test.IsTrue() {
				return value
			}
			return otherwise
		},
		"raise_exception": func(text string) (string, error) {
			raised = fmt.Errorf("the template does not accept these messages: %s", text)
			return "", raised
		},
		"strftime_now": func(format string) (string, error) {
			var text string
			text, raised = strftime(c.now(), format)
			return text, raised
		},
	}))
	if raised != nil {
		return "", raised
	}
	if err != nil {
		return "", fmt.Errorf("the template stopped: %s", c.reason(err))
	}
	return out, nil
}

// reason is gonja's error, in one line and without the whole template that it may begin with.
func (c chat) reason(err error) string {
	text := err.Error()
	if _, after, ok := strings.Cut(text, c.template+"': "); ok {
		text = after
	}
	return strings.Join(strings.Fields(text), " ")
}

// chatEnvironment is gonja's, with tojson as in Python. It is made at the first conversation.
var chatEnvironment = sync.OnceValue(func() *exec.Environment {
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters)
	if err := filters.Replace("tojson", toJSON); err != nil {
		panic(err) // gonja has the filter
	}
	return &exec.Environment{
		Context: exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables),
		Filters: filters, Tests: builtins.Tests, ControlStructures: builtins.ControlStructures, Methods: builtins.Methods,
	}
})

// toJSON writes texts, numbers, true, false and none as Python's json.dumps does with ensure_ascii false. Lists and
// objects, which come with tools alone, need the order of their keys, which gonja does not keep.
func toJSON(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	switch {
	case in.IsString(), in.IsNumber(), in.IsBool(), in.IsNil():
	default:
		return exec.AsValue(errors.New("tojson of a list or an object is not implemented"))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(in.Interface()); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(strings.TrimSuffix(b.String(), "\n"))
}

// strftime writes the parts of a date that chat templates ask for, in C's locale.
func strftime(now time.Time, format string) (string, error) {
	layouts := map[byte]string{
		'd': "02", 'm': "01", 'Y': "2006", 'y': "06", 'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday",
		'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		if i < len(format) && format[i] == '%' {
			b.WriteByte('%')
			continue
		}
		if i == len(format) || layouts[format[i]] == "" {
			return "", fmt.Errorf("strftime_now(%q) is not implemented (have: %%a %%A %%b %%B %%d %%H %%I %%j %%m %%M %%p %%S %%y %%Y)", format)
		}
		b.WriteString(now.Format(layouts[format[i]]))
	}
	return b.String(), nil
}

// onlyTemplate loads one template and nothing else: a template from a download must not read files.
type onlyTemplate string

// Read implements loaders.Loader.
func (t onlyTemplate) Read(name string) (io.Reader, error) {
	if name != "chat_template" {
		return nil, fmt.Errorf("a chat template cannot include %q", name)
	}
	return strings.NewReader(string(t)), nil
}

// Resolve implements loaders.Loader.
func (t onlyTemplate) Resolve(name string) (string, error) { return name, nil }

// Inherit implements loaders.Loader.
func (t onlyTemplate) Inherit(string) (loaders.Loader, error) { return t, nil }
