package tokenizer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The expected texts are jinja2 3.1's, with transformers' settings.
func TestConditionsInParenthesesAreJinjas(t *testing.T) {
	t.Parallel()
	messages := []Message{{"user", "one"}, {"assistant", "two"}, {"user", "three"}}
	for template, want := range map[string]string{
		`{% for m in messages %}{{ '<' + (m.role if loop.first else "-") + '>' }}{% endfor %}`:                         "<user><-><->",
		`{% for m in messages %}{{ (('a' if loop.first else 'b') if m['role'] == 'user' else 'c') }}{% endfor %}`:      "acb",
		`{% for m in messages %}{{ ('a' if loop.first else 'b' if loop.last else 'c') }}{% endfor %}`:                  "acb",
		`{% set x = (messages[0].content if messages else '') + '!' %}{{ x }}`:                                         "one!",
		`{{ 'not (a if b else c)' + (" ) if ( " if true else ' else ') }}`:                                             "not (a if b else c) ) if ( ",
		`{# (it's a comment if you like else not) #}{{ ('y' if (1 == 1) == (2 == 2) else 'n') }}`:                      "y",
		`{% if (messages | length) == (3 if true else 4) %}three{% endif %}`:                                           "three",
		`{{ 'x' if messages else 'y' }} (if else) { }`:                                                                 "x (if else) { }",
		`{% for m in messages if m.role == 'user' %}{{ (m.content | upper if loop.last else m.content) }}{% endfor %}`: "oneTHREE",
	} {
		got, err := chat{template: template, now: time.Now}.render(messages, true)
		require.NoError(t, err, template)
		assert.Equal(t, want, got, template)
	}
}

func TestTemplatesThatAreNoJinjaStayErrors(t *testing.T) {
	t.Parallel()
	for _, template := range []string{`{{ (a if b else c }}`, `{{ "open }}`, `{% if ( %}`, `{{ (a if b) }}`} {
		_, err := chat{template: template, now: time.Now}.render([]Message{{"user", "one"}}, true)
		require.Error(t, err, template)
	}
}

func FuzzRewriteInlineIfs(f *testing.F) {
	for _, s := range []string{`{{ (a if b else c) }}`, `{{ '(' }}`, `{# ' #}{% ( %}`, `{{ (((`, `{`, `{{ ("\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := rewriteInlineIfs(s)
		if again := rewriteInlineIfs(once); again != once {
			t.Errorf("%q becomes %q, and that %q", s, once, again)
		}
	})
}
