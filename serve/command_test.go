package serve

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func called(t *testing.T, name, request string) (Call, error) {
	t.Helper()
	s := New(&fake{echo}, Options{})
	c, ok := s.command(name)
	require.True(t, ok)
	return c.call([]byte(request))
}

func TestARequestIsACommandLine(t *testing.T) {
	for _, c := range []struct{ name, request, args string }{
		{"trace", `{"prompt":"a b"}`, "trace --json -- a b"},
		{"trace", `{"prompt":"--help","layers":[0,-1],"top":2}`, "trace --json --layers=0,-1 --top=2 -- --help"},
		{"trace", `{"prompt":"a","layers":3,"no_bos":true,"target":[" x"," y"],"temperature":0.5}`, "trace --json --layers=3 --no-bos=true --target= x --target= y --temperature=0.5 -- a"},
		{"trace", `{"prompt":"a","target":" x","format":"csv","top":null}`, "trace --output=- --format=csv --target= x -- a"},
		{"trace", `{"prompt":"-"}`, "trace --json -- -"},
		{"trace", `{"messages":[{"role":"user","content":"a"}]}`, `trace --messages=[{"role":"user","content":"a"}] --json`},
		{"pair", `{"messages_b":[2],"messages":[1]}`, "patch --messages=[1] --messages-b=[2] --json"},
		{"chat", `{"messages":[]}`, "generate --model=m --messages=[] --json"},
		{"trace", `{"prompt":"\ufffd \ud83d\ude00"}`, "trace --json -- \ufffd 😀"},
		{"patch", `{"clean":"a","corrupted":"b","export":"mlxterp"}`, "patch --export=mlxterp -- a b"},
		{"steer", "{\"pairs\":[{\"positive\": \"a\",\n \"negative\": \"b\"},{}]}", `steer --file=[{"positive":"a","negative":"b"},{}] --json`},
	} {
		call, err := called(t, c.name, c.request)
		require.NoError(t, err, c.request)
		require.Equal(t, c.args, strings.Join(call.Args, " "))
	}
}

func TestWhatIsWrongWithARequestIsSaid(t *testing.T) {
	for _, c := range []struct{ name, request, says string }{
		{"trace", `{`, "the request is no JSON object"},
		{"trace", `[1]`, "the request is no JSON object"},
		{"trace", `{"prompt":"a","prompt":"b"}`, `the request: it has "prompt" twice`},
		{"trace", "{\"prompt\":\"a\xff\"}", "the request is not UTF-8"},
		{"trace", `{"prompt":"a\ud83d"}`, `has \ud83d, half of a pair of UTF-16`},
		{"trace", `{"prompt":"\ud83d\ude00 \\\\ud801 \uD800 \ufffd"}`, `has \uD800, half of a pair of UTF-16`},
		{"trace", `{"prompt":"\ude00\ud83d"}`, `has \ude00, half of a pair of UTF-16`},
		{"trace", `{} {}`, "more than one JSON object"},
		{"trace", `{"prompt":1}`, `"prompt": want a text, and it is 1`},
		{"trace", `{"promt":"a","model":"b"}`, `trace has no "model", "promt" (have: prompt, messages, format, layers, top, no_bos, target, temperature)`},
		{"trace", `{"no-bos":true}`, `trace has no "no-bos"`},
		{"trace", `{"top":"2"}`, `"top": want a whole number, and it is "2"`},
		{"trace", `{"no_bos":"yes"}`, `"no_bos": want true or false`},
		{"trace", `{"target":[1]}`, `"target": want a text, or a list of texts`},
		{"trace", `{"layers":["a"]}`, `"layers": want a text`},
		{"trace", `{"layers":{"a":1}}`, `"layers": want a text`},
		{"trace", `{"format":"exe"}`, `"format" "exe": want one of json, csv`},
		{"steer", `{}`, `"pairs" is missing`},
		{"trace", `{"messages":"/etc/passwd"}`, `"messages": want a list or an object, and it is "/etc/passwd"`},
		{"patch", `{"corrupted":"b"}`, `"corrupted" needs "clean" before it`},
		{"steer", `{"pairs":1}`, `"pairs": want a list or an object, and it is 1`},
	} {
		_, err := called(t, c.name, c.request)
		var refusal *Refusal
		require.ErrorAs(t, err, &refusal, c.request)
		require.ErrorContains(t, err, c.says)
	}
}

func TestAFlagIsKnownByItsKey(t *testing.T) {
	s := New(&fake{echo}, Options{})
	for _, of := range []struct{ command, flag, key string }{{"trace", "no-bos", "no_bos"}, {"pair", "messages-b", "messages_b"}, {"steer", "file", "pairs"}, {"trace", "model", ""}} {
		c, _ := s.command(of.command)
		key, ok := c.KeyOf(of.flag)
		require.Equal(t, of.key, key)
		require.Equal(t, of.key != "", ok)
	}
}
