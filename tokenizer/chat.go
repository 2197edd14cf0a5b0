package tokenizer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mlxlens/mlxlens/tokenizer/jinja"
)

// A Message is one turn of a conversation in plain text.
type Message struct {
	Role    string // "system", "user" or "assistant", as a rule
	Content string
}

// A Chat is what a chat template is given.
type Chat struct {
	messages         *jinja.List
	tools, documents any            // as JSON, nil without
	variables        map[string]any // others, such as enable_thinking
}

// NewChat returns a conversation of plain messages.
func NewChat(messages ...Message) *Chat {
	c := &Chat{messages: &jinja.List{}}
	for _, m := range messages {
		c.messages.Items = append(c.messages.Items, jinja.NewDict("role", m.Role, "content", m.Content))
	}
	return c
}

// withReasoning gives a message's reasoning the names that templates read it by, as transformers does.
func withReasoning(d *jinja.Dict) *jinja.Dict {
	for _, name := range []string{"reasoning_content", "thinking", "reasoning"} {
		if v, _ := d.Get(name); v != nil {
			out := jinja.NewDict("thinking", v)
			for _, key := range d.Keys() {
				value, _ := d.Get(key)
				out.Set(key, value)
			}
			out.Set("reasoning_content", v)
			return out
		}
	}
	return d
}

// EndsWithAssistant reports whether the last message is the assistant's, so that there is nothing to answer.
func (c *Chat) EndsWithAssistant() bool {
	n := len(c.messages.Items)
	return n > 0 && c.role(n-1) == "assistant"
}

func (c *Chat) role(i int) string {
	role, _ := c.messages.Items[i].(*jinja.Dict).Get("role")
	text, _ := role.(string)
	return text
}

// ErrNoTemplate is the error of a conversation where the tokenizer's files have no chat template.
var ErrNoTemplate = errors.New("the files hold no chat template")

// ApplyChat writes a conversation as the text that the model was trained on, by the chat template of its files; with
// addGenerationPrompt the text ends where the assistant's answer begins. Encode that text with special false: the
// template writes BOS itself. It equals what transformers' apply_chat_template writes, or is an error. A conversation whose
// chat_template_kwargs have add_generation_prompt goes by that.
func (t *Tokenizer) ApplyChat(c *Chat, addGenerationPrompt bool) (string, error) {
	template, err := t.templateFor(c)
	if err != nil {
		return "", fmt.Errorf("tokenizer: chat: %w", err)
	}
	out, err := t.render(template, c, c.messages, addGenerationPrompt)
	if err == nil {
		err = writesLists(c, out)
	} else if c.hasParts() {
		err = fmt.Errorf("%w (%s)", err, partsAdvice)
	}
	if err != nil {
		return "", fmt.Errorf("tokenizer: chat: the model's chat template: %w", err)
	}
	return out, nil
}

// templateFor reads the template of a conversation: of several the one for tools where it has tools.
func (t *Tokenizer) templateFor(c *Chat) (*jinja.Template, error) {
	names := slices.Sorted(maps.Keys(t.templates))
	text, ok := t.templates["default"]
	if forTools, has := t.templates["tool_use"]; has && c.tools != nil {
		text, ok = forTools, true
	}
	switch {
	case len(names) == 0 || ok && text == "":
		return nil, fmt.Errorf("%w: encode the text without one", ErrNoTemplate)
	case !ok:
		return nil, fmt.Errorf("the files hold chat templates for %s, and no default one: encode the text without one", strings.Join(names, ", "))
	}
	template, err := jinja.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the model's chat template: %w", err)
	}
	return template, nil
}

// render runs a template with the variables of transformers.
func (t *Tokenizer) render(template *jinja.Template, c *Chat, messages *jinja.List, addGenerationPrompt bool) (string, error) {
	variables := map[string]any{}
	for name, text := range t.special {
		variables[name] = text
	}
	variables["messages"], variables["tools"], variables["documents"] = messages, c.tools, c.documents
	variables["add_generation_prompt"] = addGenerationPrompt
	maps.Copy(variables, c.variables) // none is called messages, tools or documents
	now := t.now
	if now == nil {
		now = time.Now
	}
	return template.Render(variables, jinja.Options{Now: now})
}
