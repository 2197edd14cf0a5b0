package jinja_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/tokenizer/jinja"
)

func Example() {
	t, err := jinja.Parse("{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}\n{% endfor %}{{ tools | tojson }}")
	if err != nil {
		fmt.Println(err)
		return
	}
	given, err := jinja.FromJSON([]byte(`{"messages": [{"role": "user", "content": " Hi "}], "tools": [{"name": "f"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	messages, _ := given.(*jinja.Dict).Get("messages")
	tools, _ := given.(*jinja.Dict).Get("tools")
	out, err := t.Render(map[string]any{"messages": messages, "tools": tools}, jinja.Options{})
	fmt.Println(out, err)
	// Output:
	// <|user|>Hi
	// [{"name": "f"}] <nil>
}
