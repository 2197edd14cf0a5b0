package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/serve"
)

var update = flag.Bool("update", false, "write the description of the API")

// asByCommand opens a model as the command line does, wherever it computes.
func asByCommand() auto.Options {
	device := mlx.DefaultDevice()
	return auto.Options{Device: &device}
}

// tinyServed is a server's engine of a random Llama without a tokenizer.
func tinyServed(t *testing.T) *engine {
	t.Helper()
	opened := modeltest.Open(t, modeltest.TinyLlama, asByCommand())
	return newEngine(&served{opened: opened.Kept()}, "")
}

// unlike are what two runs of the same differ in: how long they took, and how they were called.
var unlike = regexp.MustCompile(`"[a-z]+_s":[0-9.e-]+|"command":\[[^\]]*\]|data-command="[^"]*"`)

func ran(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), &pager{}, args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestTheServerAnswersAsTheCommandLineDoes(t *testing.T) {
	s := serve.New(tinyServed(t), serve.Options{})
	model := modeltest.Path(t, modeltest.TinyLlama)
	for _, c := range []struct {
		endpoint, request string
		args              []string
	}{
		{"info", `{}`, []string{"info", "--json"}},
		{"trace", `{"ids":[30,7,500],"top":3,"embed":true}`, []string{"trace", "--ids", "30,7,500", "-k", "3", "--embed", "--json"}},
		{"trace", `{"ids":[30,7,500],"format":"csv"}`, []string{"trace", "--ids", "30,7,500", "-o", "-", "--format", "csv"}},
		{"trace", `{"ids":[30,7,500],"edit":"layers.1.z@-1#0=add:[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-0.5]"}`, []string{"trace", "--ids", "30,7,500", "--edit", "layers.1.z@-1#0=add:[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-0.5]", "--json"}},
		{"trace", `{"ids":[30,7,500],"edit":"layers.1.mlp_out=zero","lens":["negated"],"last":true}`, []string{"trace", "--ids", "30,7,500", "--edit", "layers.1.mlp_out=zero", "--lens", "negated", "--last", "--json"}},
		{"generate", `{"ids":[30,7,500],"max_tokens":5,"lens":true,"layers":-1}`, []string{"generate", "--ids", "30,7,500", "-n", "5", "--lens", "--layers", "-1", "--json"}},
		{"patch", `{"ids":"30,7,500","ids_b":"30,8,500","sites":"mlp_out"}`, []string{"patch", "--ids", "30,7,500", "--ids-b", "30,8,500", "--sites", "mlp_out", "--json"}},
		{"attn", `{"ids":[30,7,500],"heads":"1.0"}`, []string{"attn", "--ids", "30,7,500", "--heads", "1.0", "--json"}},
		{"attribute", `{"ids":[30,7,500],"by":"head"}`, []string{"attribute", "--ids", "30,7,500", "--by", "head", "--json"}},
		{"compare", `{"ids":[30,7,500],"ids_b":[30,8,500]}`, []string{"compare", "--ids", "30,7,500", "--ids-b", "30,8,500", "--json"}},
		{"trace", `{"ids":[30,7,500],"format":"html"}`, []string{"trace", "--ids", "30,7,500", "-o", "-", "--format", "html"}},
	} {
		a, err := s.Run(context.Background(), c.endpoint, []byte(c.request), serve.Watch{})
		require.NoError(t, err, c.request)
		code, want, errs := ran(t, append(c.args, "-m", model)...)
		require.Zero(t, code, errs)
		require.Equal(t, unlike.ReplaceAllString(want, ""), unlike.ReplaceAllString(string(a.Body), ""), c.request)
	}
}

func TestTheServerRefusesInTheWordsOfTheCommandLine(t *testing.T) {
	s := serve.New(tinyServed(t), serve.Options{})
	model := modeltest.Path(t, modeltest.TinyLlama)
	for _, c := range []struct {
		endpoint, request string
		args              []string
	}{
		{"trace", `{"ids":[30],"layers":"9"}`, []string{"trace", "--ids", "30", "--layers", "9"}},
		{"trace", `{"ids":[9999]}`, []string{"trace", "--ids", "9999"}},
		{"trace", `{"prompt":"a"}`, []string{"trace", "a"}},
		{"trace", `{}`, []string{"trace"}},
		{"trace", `{"ids":[1],"layers":""}`, []string{"trace", "--ids", "1", "--layers", ""}},
		{"trace", `{"ids":[1],"edit":"layers.1.nothing=zero"}`, []string{"trace", "--ids", "1", "--edit", "layers.1.nothing=zero"}},
		{"generate", `{"ids":[1],"top_p":0.5}`, []string{"generate", "--ids", "1", "--top-p", "0.5"}},
		{"patch", `{"ids":[1]}`, []string{"patch", "--ids", "1"}},
		{"attn", `{"ids":[1],"heads":"7.9"}`, []string{"attn", "--ids", "1", "--heads", "7.9"}},
	} {
		_, err := s.Run(context.Background(), c.endpoint, []byte(c.request), serve.Watch{})
		require.Error(t, err, c.request)
		code, _, errs := ran(t, append(c.args, "-m", model)...)
		require.NotZero(t, code)
		require.Contains(t, errs, "mlxlens: "+visible(err.Error())+"\n")
		var refusal *serve.Refusal
		require.Equal(t, code == exitUsage, errors.As(err, &refusal), c.request)
	}
}

func TestTheServerReadsOnlyFilesThatItWasStartedWith(t *testing.T) {
	file := t.TempDir() + "/x.npz"
	require.NoError(t, os.WriteFile(file, []byte("no archive"), 0o600))
	for _, request := range []string{
		`{"ids":[1],"edit":"layers.1.mlp_out=add:FILE"}`, `{"ids":[1],"edit":"layers.1.mlp_out=add:FILE#3"}`, `{"ids":[1],"edit":"layers.1.mlp_out=mean:/etc/hosts.txt"}`,
		`{"ids":[1],"lens":"FILE"}`, `{"ids":[1],"lens":"/etc/passwd"}`, `{"ids":[1],"lens":"hub:owner/name/lens.pt"}`,
		`{"ids":[1],"edit":"layers.1.mlp_out=add:hub:owner/name/x.npz"}`, `{"ids":[1],"edit":"layers.1.mlp_out=add:hub:owner/name#3"}`,
		`{"ids":[1],"edit":"layers.1.resid_post=steer:FILE:<5>"}`, `{"ids":[1],"edit":"layers.1.resid_post=swap:hub:owner/name/l.pt:<5>,<6>"}`, `{"ids":[1],"edit":"layers.1.resid_post=project-out:/etc/passwd:<5>"}`,
		`{"ids":[1],"lens":["logit","FILE#3"]}`, `{"ids":[1],"lens":["logit","hub:owner/name#3"]}`, `{"ids":[1],"lens":["logit","/etc#3"]}`,
	} {
		_, err := serve.New(tinyServed(t), serve.Options{}).Run(context.Background(), "trace", []byte(strings.ReplaceAll(request, "FILE", file)), serve.Watch{})
		require.ErrorContains(t, err, "the server", request)
		require.Regexp(t, "start(ed)? (it )?with", err.Error())
	}
	e := tinyServed(t)
	e.served.vectors = []string{file}
	_, err := serve.New(e, serve.Options{}).Run(context.Background(), "trace", []byte(`{"ids":[1],"edit":"layers.1.mlp_out=add:`+file+`"}`), serve.Watch{})
	require.ErrorContains(t, err, "x.npz")
	require.NotContains(t, err.Error(), "the server", "it was read, and is no archive")
}

func TestRequestsNameWhatTheServerWasStartedWith(t *testing.T) {
	path, folder := modeltest.Path(t, modeltest.TinyLlama), t.TempDir()
	pairs, vectors := folder+"/pairs.jsonl", folder+"/v.safetensors"
	require.NoError(t, os.WriteFile(pairs, []byte(`{"positive":[1,2],"negative":[3,4]}`), 0o600))
	code, _, errs := ran(t, "steer", "-m", path, "--file", pairs, "--held-out", "0", "-o", vectors)
	require.Zero(t, code, errs)
	e := tinyServed(t)
	e.served.vectors = []string{vectors}
	e.served.others = map[string]*auto.Opened{"second": modeltest.Open(t, modeltest.TinyLlama, asByCommand()).Kept()}
	e.served.lenses = map[string]lens.Translator{"turned.pt": lens.Negated()}
	s := serve.New(e, serve.Options{})
	for request, args := range map[string][]string{
		`{"ids":[5,6],"edit":"layers.1.resid_post=add:` + vectors + `*2"}`: {"trace", "--edit", "layers.1.resid_post=add:" + vectors + "*2"},
		`{"ids":[5,6],"lens":"turned.pt"}`:                                 {"trace", "--lens", "negated"},
	} {
		a, err := s.Run(context.Background(), "trace", []byte(request), serve.Watch{})
		require.NoError(t, err)
		code, want, errs := ran(t, append(args, "--ids", "5,6", "--json", "-m", path)...)
		require.Zero(t, code, errs)
		require.Equal(t, unlike.ReplaceAllString(want, ""), unlike.ReplaceAllString(string(a.Body), ""))
	}
	a, err := s.Run(context.Background(), "compare", []byte(`{"ids":[5,6],"model_b":"second"}`), serve.Watch{})
	require.NoError(t, err)
	require.Contains(t, string(a.Body), `"schema":"mlxlens.compare/1"`)
	_, err = s.Run(context.Background(), "compare", []byte(`{"ids":[5,6],"model_b":"third"}`), serve.Watch{})
	require.ErrorContains(t, err, `the server has no model "third" (have: `+path+`, second)`)
}

func TestWithheldFlagsAreNoKeys(t *testing.T) {
	for _, c := range tinyServed(t).Commands() {
		for _, o := range c.Options {
			require.NotContains(t, []string{"model", "yes", "file", "output", "messages", "map", "sae", "any-unembedding", "edit-any-unembedding", "color", "no-color", "no-pager"}, o.Name, c.Name)
			require.NotEmpty(t, o.Kind, "%s --%s", c.Name, o.Name)
		}
	}
}

func TestAClientThatLeavesStopsTheTokens(t *testing.T) {
	s := serve.New(tinyServed(t), serve.Options{})
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	lines := 0
	_, err := s.Run(ctx, "generate", []byte(`{"ids":[30,7,500],"max_tokens":4096}`), serve.Watch{Line: func([]byte) {
		if lines++; lines == 3 {
			leave()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, lines, 5)
	_, err = s.Run(context.Background(), "trace", []byte(`{"ids":[30]}`), serve.Watch{})
	require.NoError(t, err, "the model serves the next")
}

func TestColumnsOfATextAreThoseOfItsTrace(t *testing.T) {
	s := serve.New(tinyServed(t), serve.Options{})
	var so *lens.Grid
	a, err := s.Run(context.Background(), "generate", []byte(`{"ids":[30,7,500],"max_tokens":4,"lens":true}`), serve.Watch{Part: func(g *lens.Grid) {
		if so == nil {
			so = g
			return
		}
		so.Extend(g)
	}})
	require.NoError(t, err)
	require.Equal(t, 4, bytes.Count(a.Body, []byte("\n")))
	require.Equal(t, []int{2, 3, 4, 5}, so.Positions)
	require.Len(t, so.Tokens, 7)
	for i, cells := range so.Cells[len(so.Rows)-1][:3] {
		require.Equal(t, so.Tokens[so.Positions[i]+1].ID, cells.Top[0].ID, "the last row says what came next")
	}
}

func TestSixtyFourClientsOfOneModel(t *testing.T) {
	server := httptest.NewServer(serve.New(tinyServed(t), serve.Options{}).Handler(serve.Door{}))
	defer server.Close()
	ask := func(id string) string {
		answer, err := http.Post(server.URL+"/api/v1/trace", "application/json", strings.NewReader(`{"ids":[`+id+`,7],"last":true}`))
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode, string(text))
		return unlike.ReplaceAllString(string(text), "")
	}
	want := map[string]string{}
	for _, id := range []string{"1", "2", "3", "4"} {
		want[id] = ask(id)
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			id := []string{"1", "2", "3", "4"}[i%4]
			require.Equal(t, want[id], ask(id))
		})
	}
	wg.Wait()
}

func TestTheDescriptionOfTheAPIIsCommitted(t *testing.T) {
	text, err := json.MarshalIndent(serve.New(tinyServed(t), serve.Options{}).OpenAPI(), "", " ")
	require.NoError(t, err)
	text = append(text, '\n')
	path := modeltest.Path(t, "docs/schema/serve-1.openapi.json")
	if *update {
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	have, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(have), string(text), "go test ./cmd/mlxlens/internal/cli -run Description -update")
}
