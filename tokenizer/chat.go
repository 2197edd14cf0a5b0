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

// ParseChat reads a conversation from JSON: a list of messages, or an object with messages and, as wanted, tools,
// documents, and chat_template_kwargs, an object of further variables. A message is an object with a role; its content is
// a text, a list of parts such as {"type": "text", "text": …}, or whatever else the template reads.
func ParseChat(data []byte) (*Chat, error) {
	v, err := jinja.FromJSON(data)
	if err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	c := &Chat{}
	messages := v
	if d, ok := v.(*jinja.Dict); ok {
		if messages, err = c.parts(d); err != nil {
			return nil, err
		}
	}
	list, ok := messages.(*jinja.List)
	if !ok || len(list.Items) == 0 {
		return nil, errors.New(`messages: want a list of messages, or an object with "messages"`)
	}
	c.messages = &jinja.List{}
	for i, m := range list.Items {
		d, ok := m.(*jinja.Dict)
		if !ok {
			return nil, fmt.Errorf("messages: number %d is no object", i)
		}
		role, _ := d.Get("role")
		if text, ok := role.(string); !ok || text == "" {
			return nil, fmt.Errorf(`messages: number %d has no "role", which is a text such as "user"`, i)
		}
		c.messages.Items = append(c.messages.Items, withReasoning(d))
	}
	return c, nil
}

// parts takes what an object says beside its messages, which it returns.
func (c *Chat) parts(d *jinja.Dict) (messages any, err error) {
	for _, key := range d.Keys() {
		v, _ := d.Get(key)
		switch key {
		case "messages":
			messages = v
		case "tools":
			c.tools = v
		case "documents":
			c.documents = v
		case "chat_template_kwargs":
			more, ok := v.(*jinja.Dict)
			if !ok {
				return nil, errors.New("messages: chat_template_kwargs is no object")
			}
			c.variables = map[string]any{}
			for _, name := range more.Keys() {
				c.variables[name.(string)], _ = more.Get(name)
			}
		default:
			return nil, fmt.Errorf("messages: the key %q is unknown (have: messages, tools, documents, chat_template_kwargs)", key)
		}
	}
	for name, v := range map[string]any{"tools": c.tools, "documents": c.documents} {
		if list, ok := v.(*jinja.List); v != nil && (!ok || slices.ContainsFunc(list.Items, func(item any) bool { _, ok := item.(*jinja.Dict); return !ok })) {
			return nil, fmt.Errorf("messages: %s is no list of objects", name)
		}
	}
	return messages, nil
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

// ApplyChat writes a conversation as the text that the model was trained on, by the chat template of its files; with
// addGenerationPrompt the text ends where the assistant's answer begins. Encode that text with special false: the
// template writes BOS itself. It equals what transformers' apply_chat_template writes, or is an error.
func (t *Tokenizer) ApplyChat(c *Chat, addGenerationPrompt bool) (string, error) {
	template, err := t.templateFor(c)
	if err != nil {
		return "", fmt.Errorf("tokenizer: chat: %w", err)
	}
	out, err := t.render(template, c, c.messages, addGenerationPrompt)
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
		return nil, errors.New("the files hold no chat template: encode the text without one")
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
	maps.Copy(variables, c.variables)
	variables["messages"], variables["tools"], variables["documents"] = messages, c.tools, c.documents
	variables["add_generation_prompt"] = addGenerationPrompt
	now := t.now
	if now == nil {
		now = time.Now
	}
	return template.Render(variables, jinja.Options{Now: now})
}
