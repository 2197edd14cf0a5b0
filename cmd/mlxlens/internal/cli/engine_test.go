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
	"path/filepath"
	"regexp"
	"slices"
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
var unlike = regexp.MustCompile(`"[a-z]+_s":[0-9.e-]+|"command":\[(?:"(?:[^"\\]|\\.)*",?)*\]|&#34;command&#34;:\[[^\]]*\]|data-command="[^"]*"`)

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
		require.Contains(t, asRequested(c.endpoint, errs), "mlxlens: "+visible(err.Error())+"\n")
		var refusal *serve.Refusal
		require.Equal(t, code == exitUsage, errors.As(err, &refusal), c.request)
	}
}

// asRequested is a sentence of the command line with the keys of a request for its flags.
func asRequested(endpoint, text string) string {
	all := describedEndpoints()
	at := slices.IndexFunc(all, func(c serve.Command) bool { return c.Name == endpoint })
	return keys(&all[at]).in(text)
}

func TestErrorsNameTheKeysOfTheRequest(t *testing.T) {
	s := serve.New(tinyServed(t), serve.Options{})
	for _, c := range []struct{ endpoint, request, says string }{
		{"trace", `{}`, `there is no prompt: give "prompt", "ids" or "messages"`},
		{"patch", `{}`, `there is no corrupted prompt: give one behind the clean one, "ids_b" or "messages_b"`},
		{"trace", `{"ids":[1],"last":true,"positions":0}`, `"last" and "positions" exclude each other`},
		{"trace", `{"ids":[1],"top":1.5}`, `"top" "1.5": want a whole number`},
		{"trace", `{"ids":[1],"top":101}`, `"top" 101: a server does at most 100 for a request`},
		{"trace", `{"ids":[1],"layers":""}`, `"layers" is empty: give it a value, or leave it out`},
		{"trace", `{"ids":[1],"target":"--top"}`, `"target" "--top": `}, // which is no flag, but a text
		{"generate", `{"ids":[1],"top_p":0.5}`, `"top_p" does nothing at temperature 0, which takes the likeliest token: add "temperature", such as 0.7, or leave it out`},
		{"patch", `{"ids":[1],"ids_b":[2],"sites":"mlp"}`, `"sites": "mlp" is no site of a layer; did you mean mlp_pre`},
		{"decompose", `{"ids":[1],"site":"mlp"}`, `"site": "mlp" is no site of a layer; did you mean mlp_pre`},
		{"attn", `{"ids":[1],"heads":"7.9"}`, `"heads" 7.9: `},
		{"attn", `{"ids":[1],"knockout":"head","window":0}`, `"window" 0: want 1 or more`},
		{"compare", `{"ids":[1],"align":"middle","ids_b":[2]}`, `"align" "middle": want start or end`},
		{"chat", `{"messages":[{"rol":"user"}]}`, `"messages": `},
		{"patch", `{"messages":[{"role":"user","content":"a"}],"messages_b":[{"rol":"user"}]}`, `"messages_b": `},
		{"steer", `{"pairs":{"positive":"a"}}`, `"pairs": want the name of a file, or a JSON list`},
		{"steer", `{"pairs":[{"positive":[1],"negative":[2]}],"method":"sum"}`, `"method" "sum" is unknown`},
		{"trace", `{"ids":[1],"lens":"x.pt"}`, `"lens" "x.pt": the server has no such lens`},
	} {
		_, err := s.Run(context.Background(), c.endpoint, []byte(c.request), serve.Watch{})
		require.Error(t, err, c.request)
		require.True(t, strings.HasPrefix(err.Error(), c.says), "%s: %s", c.request, err)
	}
	_, err := s.Run(context.Background(), "compare", []byte(`{"ids":[1],"model_b":"other"}`), serve.Watch{})
	require.ErrorContains(t, err, `start it with --model-b and this one`, "which is for who starts the server")
}

// Sentences name flags in their formats or by theFlag, so that each asker reads them by the names that they know.
func TestNoSentencePutsAFlagTogether(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if !strings.HasSuffix(file, "_test.go") {
			require.NotRegexp(t, `(failf|usagef|say|Errorf)\(.*--%`, string(text), file)
			require.NotRegexp(t, `Errorf\(.*--[a-z]`, string(text), "%s: failf knows the flags that it names", file)
		}
	}
}

func TestAnAnswersCommandComputesItAgain(t *testing.T) {
	s := serve.New(tinyServed(t), serve.Options{})
	for endpoint, request := range map[string]string{
		"patch": `{"ids":[30,7,500],"ids_b":[30,8,500],"sites":"mlp_out"}`,
		"trace": `{"ids":[30,7,500]}`,
		"steer": `{"pairs":[{"positive":[1,2],"negative":[3,4]},{"positive":[5],"negative":[6]}],"held_out":0}`,
	} {
		a, err := s.Run(context.Background(), endpoint, []byte(request), serve.Watch{})
		require.NoError(t, err)
		if endpoint != "trace" { // which keeps no command
			var answer struct{ Made struct{ Command []string } }
			require.NoError(t, json.Unmarshal(a.Body, &answer))
			require.Equal(t, a.Args, answer.Made.Command)
		}
		code, again, errs := ran(t, a.Args...)
		require.Zero(t, code, errs)
		require.Equal(t, unlike.ReplaceAllString(string(a.Body), ""), unlike.ReplaceAllString(again, ""))
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
	e.served.lenses, e.served.lensDigests = map[string]lens.Translator{"turned.pt": lens.Negated()}, map[string]string{"turned.pt": "d"}
	s := serve.New(e, serve.Options{})
	for request, args := range map[string][]string{
		`{"ids":[5,6],"edit":"layers.1.resid_post=add:` + vectors + `*2"}`: {"trace", "--edit", "layers.1.resid_post=add:" + vectors + "*2"},
		`{"ids":[5,6],"lens":"turned.pt"}`:                                 {"trace", "--lens", "negated"},
		`{"ids":[5,6],"into_ids":[7,8],"map":"turned.pt","to_layers":"0"}`: {"patchscope", "--into-ids", "7,8", "--map", "negated", "--to-layers", "0"},
		`{"ids":[5,6],"into_ids":[7,8],"map":"negated"}`:                   {"patchscope", "--into-ids", "7,8", "--map", "negated"},
	} {
		a, err := s.Run(context.Background(), args[0], []byte(request), serve.Watch{})
		require.NoError(t, err)
		code, want, errs := ran(t, append(args, "--ids", "5,6", "--json", "-m", path)...)
		require.Zero(t, code, errs)
		got := strings.Replace(string(a.Body), `,"files":{"turned.pt":"d"}`, "", 1) // which has no file by its own name
		require.Equal(t, unlike.ReplaceAllString(want, ""), unlike.ReplaceAllString(got, ""))
	}
	a, err := s.Run(context.Background(), "compare", []byte(`{"ids":[5,6],"model_b":"second"}`), serve.Watch{})
	require.NoError(t, err)
	require.Contains(t, string(a.Body), `"schema":"mlxlens.compare/1"`)
	_, err = s.Run(context.Background(), "compare", []byte(`{"ids":[5,6],"model_b":"third"}`), serve.Watch{})
	require.ErrorContains(t, err, `the server has no model "third" (have: `+path+`, second)`)
	for request, why := range map[string]string{
		`{"ids":[5,6],"into_ids":[7,8],"map":"other.pt"}`: `"map" "other.pt": the server has no such lens (have: negated, turned.pt): start it with --lens and this one`,
		`{"ids":[5,6],"into_ids":[7,8],"map":"embed"}`:    `"map" embed is no map of states to states: give the file of a lens, or leave it out`,
	} {
		_, err = s.Run(context.Background(), "patchscope", []byte(request), serve.Watch{})
		require.EqualError(t, err, why)
	}
}

func TestWithheldFlagsAreNoKeys(t *testing.T) {
	for _, c := range tinyServed(t).Commands() {
		for _, o := range c.Options {
			require.NotContains(t, []string{"model", "yes", "file", "output", "messages", "sae", "any-unembedding", "edit-any-unembedding", "color", "no-color", "no-pager"}, o.Name, c.Name)
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

func TestColumnsSayOfWhichRequestTheyAre(t *testing.T) {
	s := serve.New(newEngine(&served{opened: modeltest.SmolLM2(t).Kept()}, ""), serve.Options{})
	prompt, edit := "The capital of France is", "layers.29.mlp_out@-1=zero"
	for _, c := range []struct {
		endpoint, request string
		prompt            *string
		chat              bool
		own               int
	}{
		{"generate", `{"prompt":"The capital of France is","max_tokens":2,"lens":true,"layers":"29","edit":"layers.29.mlp_out@-1=zero"}`, &prompt, false, 2},
		{"generate", `{"prompt":"The capital of France is","chat":true,"max_tokens":2,"lens":true,"layers":"29","edit":"layers.29.mlp_out@-1=zero"}`, &prompt, true, 2},
		{"generate", `{"ids":[504,3575],"max_tokens":2,"lens":true,"layers":"29","edit":"layers.29.mlp_out@-1=zero"}`, nil, false, 2},
		{"trace", `{"prompt":"The capital of France is","chat":true,"layers":"29","edit":"layers.29.mlp_out@-1=zero"}`, &prompt, true, 0},
	} {
		own := 0
		_, err := s.Run(context.Background(), c.endpoint, []byte(c.request), serve.Watch{Part: func(g *lens.Grid) {
			require.Equal(t, c.prompt, g.Prompt, c.request)
			require.Equal(t, []string{edit}, g.Edits, c.request)
			require.Equal(t, c.chat, g.Chat, c.request)
			require.NotEmpty(t, g.Model.Type, c.request)
			own = g.Continued
		}})
		require.NoError(t, err, c.request)
		require.Equal(t, c.own, own, c.request)
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
