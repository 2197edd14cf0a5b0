package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// transformers 5.23 drops the keys of messages that are null before a template sees them; null inside
// of a call's arguments stays.
func TestKeysOfMessagesThatAreNullAreLeftOut(t *testing.T) {
	tok := withTemplate(`{% for m in messages %}{{ m | tojson }}{{ '!' if 'content' not in m and m.tool_calls is not defined }}{% endfor %}`)
	for messages, want := range map[string]string{
		`[{"role": "assistant", "content": null, "name": null, "tool_calls": [{"f": null}]}]`: `{"role": "assistant", "tool_calls": [{"f": null}]}`,
		`[{"role": "user", "content": "x", "tool_calls": null}]`:                              `{"role": "user", "content": "x"}`,
		`[{"role": "assistant", "content": null, "reasoning": "r"}]`:                          `{"thinking": "r", "role": "assistant", "reasoning": "r", "reasoning_content": "r"}!`,
	} {
		c, err := ParseChat([]byte(messages))
		require.NoError(t, err)
		got, err := tok.ApplyChat(c, false)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
