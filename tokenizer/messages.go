package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/tokenizer/jinja"
)

// messagesShape is what a file of messages may be.
const messagesShape = `want a list of messages, such as [{"role": "user", "content": "Hi"}], or an object with "messages"`

// ParseChat reads a conversation from JSON: a list of messages, or an object with messages and, as wanted, tools,
// documents, and chat_template_kwargs, an object of further variables. A message is an object with a role; its content is
// a text, a list of parts such as {"type": "text", "text": …}, or an object that the template reads. A byte order mark
// before it is left out. Images and other parts that are no text are refused.
func ParseChat(data []byte) (*Chat, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("messages: this is UTF-16 or UTF-32 text, or none: save it as UTF-8")
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("messages: it is empty: " + messagesShape)
	}
	v, err := jinja.FromJSON(data)
	if err != nil {
		return nil, notOne(data, err)
	}
	if err := exactjson.Repeated(data); err != nil {
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
		return nil, errors.New("messages: " + messagesShape)
	}
	c.messages = &jinja.List{}
	for i, m := range list.Items {
		d, err := message(m, i)
		if err != nil {
			return nil, err
		}
		c.messages.Items = append(c.messages.Items, withReasoning(d))
	}
	return c, nil
}

// notOne says what is wrong with a text that is not one JSON value.
func notOne(data []byte, err error) error {
	line, rest, _ := bytes.Cut(bytes.TrimSpace(data), []byte("\n"))
	if _, first := jinja.FromJSON(line); first == nil && len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("messages: the first line is JSON of its own, and more follows: write one list, [message, message, …], and each conversation to a file of its own")
	}
	return fmt.Errorf("messages: this is not JSON: %w: %s", err, messagesShape)
}

// message checks a message's shape.
func message(m any, i int) (*jinja.Dict, error) {
	d, ok := m.(*jinja.Dict)
	if _, isList := m.(*jinja.List); isList {
		return nil, fmt.Errorf("messages: number %d is no object but a list: give one conversation, a list of objects", i)
	} else if !ok {
		return nil, fmt.Errorf("messages: number %d is no object: %s", i, messagesShape)
	}
	role, _ := d.Get("role")
	if text, ok := role.(string); !ok || text == "" {
		return nil, fmt.Errorf(`messages: number %d has no "role", which is a text such as "user"`, i)
	}
	content, has := d.Get("content")
	switch v := content.(type) {
	case string, *jinja.Dict:
	case nil:
		if has && !calls(d) {
			return nil, fmt.Errorf(`messages: number %d has the content null, and no tool_calls: write a text, "" for none`, i)
		}
	case *jinja.List:
		for k, part := range v.Items {
			if err := checkPart(part); err != nil {
				return nil, fmt.Errorf("messages: number %d: part %d of the content %w", i, k, err)
			}
		}
	default:
		return nil, fmt.Errorf(`messages: number %d: the content %v is neither a text nor a list of parts: write it in quotes`, i, v)
	}
	return withoutNulls(d), nil
}

// withoutNulls leaves out the keys of a message whose value is null, as transformers does: templates write
// null as a text, or fail on it, where they do without a key that is missing.
func withoutNulls(d *jinja.Dict) *jinja.Dict {
	out := jinja.NewDict()
	for _, key := range d.Keys() {
		if v, _ := d.Get(key); v != nil {
			out.Set(key, v)
		}
	}
	return out
}

// calls reports whether a message says something without a content.
func calls(d *jinja.Dict) bool {
	return slices.ContainsFunc([]string{"tool_calls", "function_call", "reasoning_content", "thinking", "reasoning"}, func(name string) bool {
		v, _ := d.Get(name)
		return v != nil
	})
}

// textPart is what a part of a content looks like.
const textPart = `want {"type": "text", "text": "…"}`

// checkPart refuses parts that are no text.
func checkPart(part any) error {
	d, ok := part.(*jinja.Dict)
	if !ok {
		return errors.New("is no object: " + textPart)
	}
	names := d.Keys()
	if kind, _ := d.Get("type"); kind != nil {
		names = []any{kind}
	}
	for _, name := range names {
		name, _ := name.(string)
		for _, medium := range []string{"image", "video", "audio"} {
			if strings.Contains(strings.ToLower(name), medium) {
				return fmt.Errorf("is %q, and mlxlens reads text alone: leave it out", name)
			}
		}
		if text, _ := d.Get("text"); name == "text" {
			if _, ok := text.(string); !ok {
				return errors.New(`has no "text": ` + textPart)
			}
		}
	}
	return nil
}

// partsAdvice is for templates that take texts alone.
const partsAdvice = "a content is a list of parts, which this template may not take: write it as one text"

// hasParts reports whether a content is a list.
func (c *Chat) hasParts() bool {
	return slices.ContainsFunc(c.messages.Items, func(m any) bool {
		content, _ := m.(*jinja.Dict).Get("content")
		_, ok := content.(*jinja.List)
		return ok
	})
}

// writesLists refuses a prompt in which a list or an object stands as Python prints it: the template takes it for a text.
func writesLists(c *Chat, out string) error {
	for i, m := range c.messages.Items {
		content, _ := m.(*jinja.Dict).Get("content")
		switch content.(type) {
		case *jinja.List, *jinja.Dict:
			if printed := asPrinted(content); len(printed) > len("[]") && strings.Contains(out, printed) {
				return fmt.Errorf("it writes the content of message %d as Python prints it, %.40s…: the template takes texts alone: write the content as one text", i, printed)
			}
		}
	}
	return nil
}

// asPrinted is what a template writes where it takes a value for a text, "" where that is too long.
func asPrinted(v any) string {
	template, err := jinja.Parse("{{ v }}")
	if err != nil {
		return ""
	}
	text, err := template.Render(map[string]any{"v": v}, jinja.Options{})
	if err != nil {
		return ""
	}
	return text
}

// parts takes what an object says beside its messages, which it returns.
func (c *Chat) parts(d *jinja.Dict) (messages any, err error) {
	if _, one := d.Get("role"); one {
		return nil, errors.New("messages: this is one message: put it into a list, [{…}]")
	}
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
			if c.variables, err = furtherVariables(v); err != nil {
				return nil, err
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

// Arguments of transformers' apply_chat_template that are no variables of a template, and what to do instead.
var (
	besideVariables = []string{"messages", "tools", "documents"}
	noVariables     = []string{"conversation", "chat_template", "continue_final_message", "tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs"}
)

// furtherVariables reads chat_template_kwargs.
func furtherVariables(v any) (map[string]any, error) {
	more, ok := v.(*jinja.Dict)
	if !ok {
		return nil, errors.New("messages: chat_template_kwargs is no object")
	}
	out := map[string]any{}
	for _, key := range more.Keys() {
		name, _ := key.(string)
		value, _ := more.Get(key)
		if slices.Contains(besideVariables, name) {
			return nil, fmt.Errorf("messages: chat_template_kwargs has %q: give it beside chat_template_kwargs", name)
		}
		if slices.Contains(noVariables, name) {
			return nil, fmt.Errorf("messages: chat_template_kwargs has %q, which is an argument of transformers and no variable of a template, and is not implemented: leave it out", name)
		}
		if _, ok := value.(bool); name == "add_generation_prompt" && !ok {
			return nil, errors.New("messages: chat_template_kwargs: add_generation_prompt is neither true nor false")
		}
		out[name] = value
	}
	return out, nil
}
