package jinja

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func kindOf(t *testing.T, template string) string {
	t.Helper()
	parsed, err := Parse(template)
	if err == nil {
		_, err = parsed.Render(map[string]any{"s": strings.Repeat("a", 1000), "l": &List{[]any{1, 2, 3}}}, Options{steps: maxSteps / 100})
	}
	require.Error(t, err, "%.80s", template)
	var e *Error
	require.True(t, errors.As(err, &e), "%.80s: %v", template, err)
	assert.NotContains(t, e.Error(), "\n", "%.80s", template)
	assert.Less(t, len(e.Error()), 300, "%.80s", template)
	return e.Kind
}

// Each would take minutes or gigabytes without its bound.
func TestHostileTemplatesEndAtABound(t *testing.T) {
	t.Parallel()
	loop := func(n int, body string) string {
		return strings.Repeat("{% for i in range(100000) %}", n) + body + strings.Repeat("{% endfor %}", n)
	}
	for name, template := range map[string]string{
		"nested loops": loop(3, ""), "loops in a loop's filter": "{% for i in range(99999) if range(99999) | select | list | length < 0 %}{% endfor %}",
		"output": loop(2, "{{ s }}"), "repetition": "{{ s * 10000000 }}", "a repeated list": "{{ l * 100000000 }}",
		"doubling": "{% set ns = namespace(x=s) %}" + loop(1, "{% set ns.x = ns.x + ns.x %}"), "doubling lists": "{% set ns = namespace(x=l) %}" + loop(1, "{% set ns.x = ns.x + ns.x %}"),
		"power": "{{ 10 ** (10 ** 10) }}", "a power of powers": "{{ 2 ** 9999 ** 2 }}", "squaring": "{% set ns = namespace(x=3) %}" + loop(1, "{% set ns.x = ns.x * ns.x %}"),
		"padding": "{{ 'a'.center(10 ** 12) }}", "width": "{{ '{:>99999999}'.format(1) }}", "zeros": "{{ '1'.zfill(10 ** 10) }}", "star": "{{ '%*d' % (10 ** 9, 1) }}",
		"precision of a number": "{{ '%.99999999d' % 1 }}", "tabs": "{{ '\t'.expandtabs(10 ** 10) }}", "indent": "{{ ('\n' * 100000) | indent(100000, blank=true) }}",
		"replace": "{{ (s * 1000).replace('a', s * 1000) }}", "join": "{{ (s * 1000).join(range(100000) | map('string')) }}", "a filter's replace": "{{ s | replace('', s * 10000) }}",
		"center": "{{ s | center(10 ** 9) }}", "batch": "{{ l | batch(10 ** 9, 1) | list }}", "tojson": "{{ l | tojson(indent=10 ** 9) }}", "slice": "{% for i in l | slice(10 ** 12) %}{% endfor %}",
		"recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "a loop in itself": "{% for x in l recursive %}{{ loop(l) }}{% endfor %}",
		"a namespace in itself": "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}", "a list in lists": "{% set ns = namespace(x=1) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
		"compared lists": "{% set a = namespace(x=1, y=1) %}{% for i in range(5000) %}{% set a.x = [a.x] %}{% set a.y = [a.y] %}{% endfor %}{{ a.x == a.y }}",
		"brackets":       "{{ " + strings.Repeat("(", 10000) + strings.Repeat(")", 10000) + " }}", "nots": "{{ " + strings.Repeat("not ", 100000) + "1 }}",
		"minuses": "{{ " + strings.Repeat("-", 100000) + "1 }}", "a sum": "{{ 1" + strings.Repeat(" + 1", 100000) + " }}", "attributes": "{{ s" + strings.Repeat(".a", 100000) + " }}",
		"filters": "{{ s" + strings.Repeat("|e", 100000) + " }}", "conditions": "{{ " + strings.Repeat("1 if ", 100000) + "1 }}", "else": "{{ " + strings.Repeat("1 if 0 else ", 100000) + "1 }}",
		"ifs": strings.Repeat("{% if 1 %}", 100000) + strings.Repeat("{% endif %}", 100000), "ands": "{{ 1" + strings.Repeat(" and 1", 100000) + " }}",
		"a dict's sizes": "{% set ns = namespace(x={}) %}" + loop(2, "{% set ns.x = dict(ns.x, **{i | string: i}) %}"), "lists of a long text": loop(2, "{{ s | list | length }}"),
		"shared lists": "{% set ns = namespace(x=[1]) %}{% for i in range(200) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}", "too long": strings.Repeat("a", maxSource+1),
		"compared shared lists":   "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(200) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
		"looked up shared tuples": "{% set ns = namespace(x=(1,)) %}{% for i in range(200) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {}[ns.x] }}",
		"a deep tuple as a key":   "{% set ns = namespace(x=1) %}{% for i in range(90000) %}{% set ns.x = (ns.x,) %}{% endfor %}{{ {ns.x: 1} }}",
		"hashed shared tuples":    "{% set ns = namespace(x=(1,)) %}{% for i in range(200) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}",
		"strip of many":           loop(1, "{{ ('a' * 100000).strip('b' * 100000 ~ 'a') }}"), "a long key": loop(2, "{{ {s * 10000: 1}[s * 10000] }}"),
		"strip": loop(1, "{{ (s * 100).strip(s * 100) }}"), "urlencode": loop(1, "{{ (' ' * 1000000) | urlencode | length }}"), "arguments": "{{ dict(*(range(100000) | list)) }}{{ l | join(*range(99999)) }}" + loop(3, ""),
	} {
		kind := kindOf(t, template)
		assert.Contains(t, []string{limitReached, overflowError, typeError, valueError}, kind, name)
	}
}

func TestATemplateReachesNoFileAndNoOtherTemplate(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"{% include '/etc/hostname' %}": refused, "{% import 'a' as b %}": refused, "{% from 'a' import b %}": refused, "{% extends 'a' %}": refused,
		"{{ ''.__class__.__mro__ }}": securityError, "{{ l.append(1) }}": securityError, "{{ l.__init__() }}": securityError, "{{ '{0.__class__.x}'.format(1) }}": securityError,
		"{{ [].__class__() }}": securityError, "{{ l | map(attribute='__class__') | map('upper') | first }}": "", "{{ range.__globals__.x }}": securityError,
		"{{ namespace(__class__=1) }}": securityError, "{{ open('/etc/passwd') }}": undefinedError, "{{ import('os') }}": undefinedError, "{{ cycler.__init__.__globals__.os }}": securityError,
	} {
		if want == "" {
			out, err := run(template, map[string]any{"l": &List{[]any{1}}})
			require.NoError(t, err)
			assert.Empty(t, out)
			continue
		}
		assert.Equal(t, want, kindOf(t, template), template)
	}
}

func TestWhatATemplateWasGivenStaysAsItWas(t *testing.T) {
	t.Parallel()
	given := NewDict("a", &List{[]any{1}}, "b", NewDict("c", "x"))
	before := (&interp{}).repr(given)
	for _, template := range []string{
		"{% set g.a = 1 %}", "{{ dict(g, a=2) }}", "{% set g = 1 %}{{ g }}", "{{ g.copy() }}", "{{ g.a + [2] }}", "{{ namespace(g) }}{% set n = namespace(g) %}{% set n.a = 5 %}", "{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(**g) }}",
		"{{ g.a | sort | reverse | list }}", "{{ g.a | batch(3, 1) | list }}", "{% for k, v in g.items() %}{% set v = 1 %}{% endfor %}",
	} {
		_, _ = run(template, map[string]any{"g": given}) // some are errors
		assert.Equal(t, before, (&interp{}).repr(given), template)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"a\n{{ missing.x }}":                       "line 2: 'missing' is undefined",
		"{% if 1 %}\n\n{{ {}.a.b }}\n{% endif %}":  "line 3: 'dict object' has no attribute 'a'",
		"\n{% for x in y %}":                       "line 2: Unexpected end of template. The innermost block that needs to be closed is 'for'.",
		"\n\n{% include 'x' %}":                    "line 3: {% include %} is not allowed: a chat template is one text, write the other into it",
		"{{ raise_exception('roles alternate') }}": "line 1: the template does not accept these messages: roles alternate",
		"{{ strftime_now('%Q') }}":                 "line 1: strftime_now with '%Q' is not implemented: have %a %A %b %B %c %C %d %D %e %f %F %g %G %h %H %I %j %k %l %m %M %n %p %P %r %R %s %S %t %T %u %U %V %w %W %x %X %y %Y %z %Z %%, and %-d %_d %0d of those that are numbers",
		"{{ strftime_now('a\\0b') }}":              "line 1: strftime_now with a zero byte is not implemented: Python's versions differ in what is behind it, leave it out",
		"{{ lipsum() }}":                           "line 1: lipsum is not implemented: it prints words by chance",
	} {
		_, err := run(template, nil)
		require.EqualError(t, err, want)
	}
}
