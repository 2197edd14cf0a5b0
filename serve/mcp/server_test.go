package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/serve"
)

// fake is an engine whose commands do what a test says.
type fake func(ctx context.Context, call serve.Call, answer io.Writer, w serve.Watch) error

func (f fake) Commands() []serve.Command {
	return []serve.Command{
		{
			Name: "trace", Runs: "trace", Short: "Show a lens", Prompts: []string{"prompt"}, Formats: []string{"json", "csv", "png", "svg", "pdf"}, Schema: "test/1",
			Options: []serve.Option{{Name: "layers", Kind: serve.Text}, {Name: "top", Kind: serve.Integer, Default: "5"}, {Name: "export", Kind: serve.Text}},
		},
		{Name: "generate", Runs: "generate", Short: "Go on", Prompts: []string{"prompt"}, Formats: []string{"json"}, Streams: true},
	}
}

func (f fake) Loaded() any { return nil }

func (f fake) Run(ctx context.Context, call serve.Call, answer io.Writer, w serve.Watch) error {
	return f(ctx, call, answer, w)
}

// prints is an engine that answers with a text.
func prints(text string) fake {
	return func(_ context.Context, _ serve.Call, answer io.Writer, _ serve.Watch) error {
		_, err := io.WriteString(answer, text)
		return err
	}
}

func schemaOf(string) map[string]any {
	return map[string]any{"$schema": "s", "$defs": map[string]any{"size": map[string]any{"type": "integer"}}, "type": "object", "required": []any{"schema"}}
}

// connected is a client of a fake, in this process.
func connected(t *testing.T, f fake, so serve.Options, told func(*sdk.ProgressNotificationParams)) *sdk.ClientSession {
	t.Helper()
	server := NewServer(serve.New(f, so), Options{Name: "test", Version: "1", Instructions: "do this", Schema: schemaOf, Beat: time.Millisecond})
	here, there := sdk.NewInMemoryTransports()
	_, err := server.Connect(context.Background(), there, nil)
	require.NoError(t, err)
	o := &sdk.ClientOptions{}
	if told != nil {
		o.ProgressNotificationHandler = func(_ context.Context, r *sdk.ProgressNotificationClientRequest) { told(r.Params) }
	}
	client, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, o).Connect(context.Background(), here, nil)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func called(t *testing.T, c *sdk.ClientSession, name string, arguments any) *sdk.CallToolResult {
	t.Helper()
	r, err := c.CallTool(context.Background(), &sdk.CallToolParams{Name: name, Arguments: arguments})
	require.NoError(t, err)
	return r
}

func textOf(t *testing.T, c sdk.Content) string {
	t.Helper()
	text, ok := c.(*sdk.TextContent)
	require.True(t, ok, "%T", c)
	return text.Text
}

func TestEachCommandIsATool(t *testing.T) {
	c := connected(t, prints("{}"), serve.Options{}, nil)
	require.Equal(t, "do this", c.InitializeResult().Instructions)
	listed, err := c.ListTools(context.Background(), nil)
	require.NoError(t, err)
	require.Len(t, listed.Tools, 2)
	generate, trace := listed.Tools[0], listed.Tools[1]
	require.Equal(t, "generate", generate.Name)
	require.Nil(t, generate.OutputSchema, "its lines have none")
	require.Equal(t, "Show a lens. What `mlxlens trace` does, with the same options. The answer is as long as what was asked for: keep it small with `layers`, `top`.", trace.Description)
	properties := trace.InputSchema.(map[string]any)["properties"].(map[string]any)
	require.Contains(t, properties, "prompt")
	require.Contains(t, properties, "top")
	out := trace.OutputSchema.(map[string]any)
	require.Equal(t, "object", out["type"])
	require.Contains(t, out["$defs"], "size", "where references look for it")
	require.Len(t, out["anyOf"], 2)
	require.True(t, trace.Annotations.ReadOnlyHint)
}

func TestAnAnswerIsStructuredAndAText(t *testing.T) {
	long := `{"schema":"test/1","x":"` + strings.Repeat("a", longest) + `"}`
	for _, c := range []struct {
		printed, tool, text string
		structured          map[string]any
	}{
		{`{"schema":"test/1","x":1}` + "\n", "trace", `{"schema":"test/1","x":1}`, map[string]any{"schema": "test/1", "x": 1.0}},
		{`[1,2]`, "trace", `{"format":"json","answer":[1,2]}`, map[string]any{"format": "json", "answer": []any{1.0, 2.0}}},
		{`{"other":1}`, "trace", `{"format":"json","answer":{"other":1}}`, map[string]any{"format": "json", "answer": map[string]any{"other": 1.0}}},
		{"{\"text\":\"a\"}\n{\"text\":\"b\"}\n", "generate", `{"lines":[{"text":"a"},{"text":"b"}]}`, map[string]any{"lines": []any{map[string]any{"text": "a"}, map[string]any{"text": "b"}}}},
		{"", "generate", `{"lines":[]}`, map[string]any{"lines": []any{}}},
		{long, "trace", fmt.Sprintf("{\"schema\":\"test/1\"}\nThe structured content has %d bytes of JSON (test/1). The answer is as long as what was asked for: keep it small with `layers`, `top`. Left out of this text: \"x\" (%d bytes).", len(long), longest+2), map[string]any{"schema": "test/1", "x": strings.Repeat("a", longest)}},
	} {
		r := called(t, connected(t, prints(c.printed), serve.Options{}, nil), c.tool, map[string]any{"prompt": "p"})
		require.False(t, r.IsError)
		require.Equal(t, c.structured, r.StructuredContent, c.printed)
		require.Len(t, r.Content, 1)
		require.Equal(t, c.text, textOf(t, r.Content[0]))
	}
}

func TestTheTextOfALongAnswerIsWhatTheCommandLinePrints(t *testing.T) {
	long := `{"schema":"test/1","x":"` + strings.Repeat("a", longest) + `"}`
	words := "of it\n" + strings.Repeat("a line of numbers 1 2 3\n", longest) + "it comes to this\n"
	for printed, want := range map[string]string{long: `(?s)^of it\na line.*\n… \([0-9,]+ lines left out\)\na line.*it comes to this\n\nThe structured content has`, `{"schema":"test/1"}`: `^{"schema":"test/1"}$`} {
		r := called(t, connected(t, func(_ context.Context, _ serve.Call, answer io.Writer, w serve.Watch) error {
			w.Words(words)
			_, err := io.WriteString(answer, printed)
			return err
		}, serve.Options{}, nil), "trace", nil)
		text := textOf(t, r.Content[0])
		require.Regexp(t, want, text)
		require.Less(t, len(text), longestWords+1000)
	}
}

func TestOtherFormatsAreImagesTextsAndResources(t *testing.T) {
	c := connected(t, prints("body"), serve.Options{}, nil)
	for format, want := range map[string]sdk.Content{
		"png": &sdk.ImageContent{Data: []byte("body"), MIMEType: "image/png"},
		"csv": &sdk.TextContent{Text: "body"},
		"svg": &sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "mlxlens:///trace.svg", MIMEType: "image/svg+xml", Text: "body"}},
		"pdf": &sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "mlxlens:///trace.pdf", MIMEType: "application/pdf", Blob: []byte("body")}},
	} {
		r := called(t, c, "trace", map[string]any{"prompt": "p", "format": format})
		require.Equal(t, []sdk.Content{want}, r.Content)
		require.Equal(t, map[string]any{"format": format, "bytes": 4.0}, r.StructuredContent)
	}
}

func TestErrorsAreSentencesOfTheTool(t *testing.T) {
	for _, c := range []struct {
		arguments any
		err       error
		want      string
	}{
		{map[string]any{"promt": "p"}, nil, `trace has no "promt" (have: prompt, format, layers, top, export)`},
		{[]int{1}, nil, "the request is no JSON object: "},
		{nil, &serve.Refusal{Err: errors.New("layer 99 does not exist")}, "layer 99 does not exist"},
		{nil, errors.New("no room"), "no room"},
	} {
		r := called(t, connected(t, func(context.Context, serve.Call, io.Writer, serve.Watch) error { return c.err }, serve.Options{}, nil), "trace", c.arguments)
		require.True(t, r.IsError)
		require.Contains(t, textOf(t, r.Content[0]), c.want)
	}
	c := connected(t, func(context.Context, serve.Call, io.Writer, serve.Watch) error { panic("oh") }, serve.Options{}, nil)
	require.Equal(t, "the program made a mistake: oh", textOf(t, called(t, c, "trace", nil).Content[0]))
	_, err := c.CallTool(context.Background(), &sdk.CallToolParams{Name: "nothing"})
	require.Error(t, err, "a tool that does not exist is an error of the protocol")
}

func TestRemarksFollowTheAnswer(t *testing.T) {
	r := called(t, connected(t, func(_ context.Context, _ serve.Call, answer io.Writer, w serve.Watch) error {
		w.Note("the prompt ends with a space")
		_, err := io.WriteString(answer, `{"schema":"test/1"}`)
		return err
	}, serve.Options{}, nil), "trace", nil)
	require.Len(t, r.Content, 2)
	require.Equal(t, "Note: the prompt ends with a space", textOf(t, r.Content[1]))
}

func TestALongAnswerIsRefusedWithWhatToDo(t *testing.T) {
	r := called(t, connected(t, prints("12345"), serve.Options{Answer: 4}, nil), "trace", nil)
	require.True(t, r.IsError)
	require.Equal(t, "the answer is larger than the server keeps, 4 bytes: ask for fewer layers, positions or candidates", textOf(t, r.Content[0]))
}
