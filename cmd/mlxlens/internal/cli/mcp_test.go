package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
)

// tooled is a client of an mlxlens mcp in this process, which must end well when the client leaves.
func tooled(t *testing.T, args ...string) *sdk.ClientSession {
	t.Helper()
	in, asks := io.Pipe()
	answers, out := io.Pipe()
	code, errs := make(chan int, 1), &bytes.Buffer{}
	go func() {
		code <- run(context.Background(), &pager{}, append([]string{"mcp"}, args...), in, out, errs)
		out.Close()
	}()
	client, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(context.Background(), &sdk.IOTransport{Reader: answers, Writer: asks, MaxLineLength: -1}, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		require.Zero(t, <-code, errs)
	})
	return client
}

func toolAnswer(t *testing.T, c *sdk.ClientSession, name, request string) *sdk.CallToolResult {
	t.Helper()
	r, err := c.CallTool(context.Background(), &sdk.CallToolParams{Name: name, Arguments: json.RawMessage(request)})
	require.NoError(t, err)
	require.NotEmpty(t, r.Content)
	return r
}

// compiled are the schemas of the tools' answers.
func compiled(t *testing.T, c *sdk.ClientSession) map[string]*jsonschema.Schema {
	t.Helper()
	all := map[string]*jsonschema.Schema{}
	for tool, err := range c.Tools(context.Background(), nil) {
		require.NoError(t, err)
		if tool.OutputSchema == nil {
			continue
		}
		compiler := jsonschema.NewCompiler()
		require.NoError(t, compiler.AddResource(tool.Name+".json", tool.OutputSchema))
		all[tool.Name], err = compiler.Compile(tool.Name + ".json")
		require.NoError(t, err)
	}
	return all
}

// same is JSON without what two runs differ in.
func sameJSON(t *testing.T, want, got string) {
	t.Helper()
	plain := func(text string) string {
		return strings.NewReplacer(",,", ",", "{,", "{", ",}", "}").Replace(unlike.ReplaceAllString(text, ""))
	}
	require.JSONEq(t, plain(want), plain(got))
}

func TestToolsAnswerAsTheCommandLineDoes(t *testing.T) {
	model := modeltest.Path(t, modeltest.TinyLlama)
	c := tooled(t, "-m", model)
	schemas := compiled(t, c)
	for _, name := range []string{"trace", "patch", "attn", "attribute", "compare", "patchscope", "decompose", "steer"} {
		require.Contains(t, schemas, name)
	}
	for _, x := range []struct {
		tool, request string
		args          []string
	}{
		{"trace", `{"ids":[30,7,500],"top":3,"embed":true}`, []string{"trace", "--ids", "30,7,500", "-k", "3", "--embed"}},
		{"trace", `{"ids":[30,7,500],"edit":"layers.1.mlp_out=zero","last":true}`, []string{"trace", "--ids", "30,7,500", "--edit", "layers.1.mlp_out=zero", "--last"}},
		{"patch", `{"ids":"30,7,500","ids_b":"30,8,500","sites":"mlp_out"}`, []string{"patch", "--ids", "30,7,500", "--ids-b", "30,8,500", "--sites", "mlp_out"}},
		{"attn", `{"ids":[30,7,500],"heads":"1.0"}`, []string{"attn", "--ids", "30,7,500", "--heads", "1.0"}},
		{"attribute", `{"ids":[30,7,500],"by":"head"}`, []string{"attribute", "--ids", "30,7,500", "--by", "head"}},
		{"compare", `{"ids":[30,7,500],"ids_b":[30,8,500]}`, []string{"compare", "--ids", "30,7,500", "--ids-b", "30,8,500"}},
		{"decompose", `{"ids":[30,7,500]}`, []string{"decompose", "--ids", "30,7,500"}},
	} {
		r := toolAnswer(t, c, x.tool, x.request)
		require.False(t, r.IsError, "%s %v", x.request, r.Content[0])
		code, want, errs := ran(t, append(x.args, "--json", "-m", model)...)
		require.Zero(t, code, errs)
		got, err := json.Marshal(r.StructuredContent)
		require.NoError(t, err)
		sameJSON(t, want, string(got))
		require.NoError(t, schemas[x.tool].Validate(r.StructuredContent), x.request)
	}
}

func TestToolsWithoutASchemaAnswerToo(t *testing.T) {
	model := modeltest.Path(t, modeltest.TinyLlama)
	c := tooled(t, "-m", model)
	_, want, _ := ran(t, "info", "--json", "-m", model)
	got, err := json.Marshal(toolAnswer(t, c, "info", `{}`).StructuredContent)
	require.NoError(t, err)
	sameJSON(t, want, string(got))
	_, want, _ = ran(t, "generate", "--ids", "30,7,500", "-n", "3", "--json", "-m", model)
	got, err = json.Marshal(toolAnswer(t, c, "generate", `{"ids":[30,7,500],"max_tokens":3}`).StructuredContent)
	require.NoError(t, err)
	sameJSON(t, `{"lines":[`+strings.ReplaceAll(strings.TrimSpace(want), "\n", ",")+`]}`, string(got))
}

func TestTheCommandOfAToolNamesTheModelAndHowItIsOpened(t *testing.T) {
	model := modeltest.Path(t, modeltest.TinyLlama)
	c := tooled(t, "-m", model, "--weights", "dense")
	r := toolAnswer(t, c, "patch", `{"ids":[30,7,500],"ids_b":[30,8,500],"layers":"1"}`)
	var command []string
	for _, arg := range r.Meta["mlxlens/command"].([]any) {
		command = append(command, arg.(string))
	}
	require.Equal(t, []string{"mlxlens", "patch", "--model=" + model, "--weights=dense"}, command[:4])
	made := r.StructuredContent.(map[string]any)["made"].(map[string]any)["command"].([]any)
	require.Subset(t, made, []any{"--model=" + model, "--weights=dense"})
	code, want, errs := ran(t, command[1:]...)
	require.Zero(t, code, errs)
	got, err := json.Marshal(r.StructuredContent)
	require.NoError(t, err)
	sameJSON(t, want, string(got))
}

func TestALongInfoTellsOfTheModelInWords(t *testing.T) {
	r := toolAnswer(t, tooled(t, "-m", modeltest.SmolLM2(t).Info.Ref), "info", `{}`)
	text := r.Content[0].(*sdk.TextContent).Text
	require.Contains(t, text, `"layers":30`)
	require.Contains(t, text, `"quantization":"affine 4-bit group 32, mixed"`)
	require.Regexp(t, `Left out of this text: .*"modules" \(\d+ bytes\)`, text)
	require.NotContains(t, text, "blk.0")
}

func TestToolsDrawPictures(t *testing.T) {
	model := modeltest.Path(t, modeltest.TinyLlama)
	c := tooled(t, "-m", model)
	schemas := compiled(t, c)
	for tool, request := range map[string]string{
		"trace": `{"ids":[30,7,500],"format":"png"}`, "attn": `{"ids":[30,7,500],"heads":"1.0","format":"png"}`, "compare": `{"ids":[30,7],"ids_b":[30,8],"format":"png"}`,
	} {
		r := toolAnswer(t, c, tool, request)
		picture, ok := r.Content[0].(*sdk.ImageContent)
		require.True(t, ok, "%s: %v", request, r.Content[0])
		require.Equal(t, "image/png", picture.MIMEType)
		require.Equal(t, "\x89PNG", string(picture.Data[:4]))
		require.NoError(t, schemas[tool].Validate(r.StructuredContent), "clients check what is no JSON answer too")
	}
}

func TestALongTraceIsATableInWords(t *testing.T) {
	r := toolAnswer(t, tooled(t, "-m", modeltest.Path(t, modeltest.TinyLlama)), "trace", `{"ids":[30,7,500],"top":100}`)
	text := r.Content[0].(*sdk.TextContent).Text
	require.Contains(t, text, "final answer")
	require.Contains(t, text, "The structured content has")
	require.Contains(t, text, "`last`")
	require.NotContains(t, text, "\x1b")
}

// A client may hand its model the texts of an answer alone.
func TestTheTextOfALongAnswerHasTheNumbersThatWereAskedFor(t *testing.T) {
	t.Setenv("CLICOLOR_FORCE", "1")
	smol := modeltest.SmolLM2(t).Info.Ref
	c := tooled(t, "-m", smol)
	for _, x := range []struct {
		tool, request string
		says          []string
	}{
		{"generate", `{"prompt":"The capital of France is","max_tokens":3,"lens":true,"edit":"layers.29.mlp_out=zero"}`, []string{"generated: ", "ended by: \"max_tokens\"", "edited: layers.29.mlp_out=zero", "→"}},
		{"chat", `{"messages":[{"role":"user","content":"Say hello."}],"max_tokens":2,"lens":true}`, []string{"generated: "}},
		{"trace", `{"prompt":"The capital of France is","view":"rank","edit":"layers.29.mlp_out=zero"}`, []string{`"The capital of France is"`, "edited: layers.29.mlp_out=zero", "rank that the row gives to the final answer"}},
		{"trace", `{"prompt":"The capital of France is","view":"kl","last":true,"top":20}`, []string{"KL(final ‖ row) in nats"}},
		{"trace", `{"prompt":"The capital of France is","last":true,"top":20}`, []string{"probability of each candidate", "·Paris 0."}},
		{"patch", `{"clean":"The capital of France is","corrupted":"The capital of Italy is","layers":"12:"}`, []string{"resid_pre", "mlp_out", "1.00", "The capital of Italy is"}},
		{"attn", `{"prompt":"The capital of France is"}`, []string{"previous", "0."}},
		{"compare", `{"prompt":"The capital of France is","prompt_b":"The capital of Italy is","edit_b":"layers.2.mlp_out=zero","layers":"20:"}`, []string{"b: ", "edited: layers.2.mlp_out=zero", "≠"}},
		{"decompose", `{"prompt":"The capital of France is","edit":"layers.2.mlp_out=zero","layers":"25:"}`, []string{"·in ", "edited: layers.2.mlp_out=zero"}},
	} {
		r := toolAnswer(t, c, x.tool, x.request)
		text := r.Content[0].(*sdk.TextContent).Text
		require.False(t, r.IsError, text)
		require.Contains(t, text, "The structured content has", x.request)
		require.NotContains(t, text, "\x1b", x.request)
		require.Less(t, len(text), 30_000, x.request)
		for _, says := range x.says {
			require.Contains(t, text, says, x.request)
		}
	}
}

func TestToolsRefuseInTheWordsOfTheCommandLine(t *testing.T) {
	model := modeltest.Path(t, modeltest.TinyLlama)
	c := tooled(t, "-m", model)
	for _, x := range []struct {
		tool, request string
		args          []string
	}{
		{"trace", `{"ids":[30],"layers":"9"}`, []string{"trace", "--ids", "30", "--layers", "9"}},
		{"trace", `{"prompt":"a"}`, []string{"trace", "a"}},
		{"generate", `{"ids":[1],"top_p":0.5}`, []string{"generate", "--ids", "1", "--top-p", "0.5"}},
	} {
		r := toolAnswer(t, c, x.tool, x.request)
		require.True(t, r.IsError, x.request)
		_, _, errs := ran(t, append(x.args, "-m", model)...)
		require.Contains(t, asRequested(x.tool, errs), "mlxlens: "+visible(r.Content[0].(*sdk.TextContent).Text)+"\n")
	}
	r := toolAnswer(t, c, "trace", `{"ids":[1],"lens":"/etc/passwd"}`)
	require.True(t, r.IsError)
	require.Contains(t, r.Content[0].(*sdk.TextContent).Text, "start it with --lens")
}

// A client gives a server up that does not answer soon; a model may be long in coming.
func TestAModelThatIsNotThereIsTheErrorOfCallsUntilItIs(t *testing.T) {
	model := t.TempDir() + "/later"
	c := tooled(t, "-m", model)
	require.NotEmpty(t, compiled(t, c), "the tools are known without it")
	r := toolAnswer(t, c, "info", `{}`)
	require.True(t, r.IsError)
	require.Contains(t, r.Content[0].(*sdk.TextContent).Text, "later")
	require.NoError(t, os.Symlink(modeltest.Path(t, modeltest.TinyLlama), model))
	require.False(t, toolAnswer(t, c, "trace", `{"ids":[1]}`).IsError)
}

func TestToolsTellWhatTheyWereStartedWith(t *testing.T) {
	c := tooled(t, "-m", modeltest.Path(t, modeltest.TinyLlama), "--vectors", "mood.safetensors", "--model-b", "other")
	said := c.InitializeResult().Instructions
	require.Contains(t, said, "files that edits may read: mood.safetensors.")
	require.Contains(t, said, "second models, for model_b of compare: other.")
	require.NotContains(t, said, "lenses beside")
}
