package serve

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fake is an engine whose commands do what a test says.
type fake struct {
	run func(ctx context.Context, call Call, answer io.Writer, w Watch) error
}

func (f *fake) Commands() []Command {
	return []Command{
		{
			Name: "trace", Runs: "trace", Short: "Show a lens", Prompts: []string{"prompt"}, JSON: []JSON{{Key: "messages", Flag: "messages"}}, Formats: []string{"json", "csv"}, Schema: "mlxlens.trace/1",
			Options: []Option{
				{Name: "layers", Kind: Text}, {Name: "top", Kind: Integer, Default: "5"}, {Name: "no-bos", Kind: Truth, Default: "false"}, {Name: "target", Kind: List, Default: "[]"}, {Name: "temperature", Kind: Number, Default: "0"},
			},
		},
		{Name: "chat", Runs: "generate", JSON: []JSON{{Key: "messages", Flag: "messages", Needed: true}}, With: []string{"--model=m"}, Streams: true, Formats: []string{"json"}},
		{Name: "patch", Runs: "patch", Prompts: []string{"clean", "corrupted"}, Formats: []string{"json"}, Options: []Option{{Name: "export", Kind: Text}}},
		{Name: "pair", Runs: "patch", JSON: []JSON{{Key: "messages", Flag: "messages"}, {Key: "messages_b", Flag: "messages-b"}}, Formats: []string{"json"}},
		{Name: "info", Runs: "info", Formats: []string{"json"}},
		{Name: "steer", Runs: "steer", JSON: []JSON{{Key: "pairs", Flag: "file", Needed: true}}, Formats: []string{"json"}},
	}
}

func (f *fake) Loaded() any { return map[string]string{"model": "fake"} }

func (f *fake) Run(ctx context.Context, call Call, answer io.Writer, w Watch) error {
	return f.run(ctx, call, answer, w)
}

// echo answers with the arguments, as JSON.
func echo(_ context.Context, call Call, answer io.Writer, _ Watch) error {
	_, err := fmt.Fprintf(answer, "{\"args\":%q}\n", strings.Join(call.Args, " "))
	return err
}

// started is a server of a fake.
func started(t *testing.T, o Options, run func(ctx context.Context, call Call, answer io.Writer, w Watch) error) (*Service, *httptest.Server) {
	t.Helper()
	s := New(&fake{run}, o)
	server := httptest.NewServer(s.Handler(Door{}))
	t.Cleanup(server.Close)
	return s, server
}

// post sends a request, whose answer the caller closes.
func post(t *testing.T, ctx context.Context, url, body string, headers ...string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	return http.DefaultClient.Do(r)
}

// asked returns status and text of an answer.
func asked(t *testing.T, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	answer, err := post(t, context.Background(), url, body, headers...)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(text)
}
