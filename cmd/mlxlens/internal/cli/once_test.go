package cli

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/serve"
)

func TestEveryFlagWithOneValueTakesItOnce(t *testing.T) {
	n := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			value, several := f.Value.(pflag.SliceValue)
			if several || strings.HasSuffix(f.Value.Type(), "Array") {
				require.NotNil(t, value, "%s --%s", cmd.Name(), f.Name)
				return
			}
			n++
			require.IsType(t, &once{}, f.Value, "%s --%s", cmd.Name(), f.Name)
		})
		for _, below := range cmd.Commands() {
			walk(below)
		}
	}
	walk(newRootCmd(&streams{}))
	require.Greater(t, n, 300)

	for args, says := range map[string]string{
		"trace a -o a.png --output b.svg":        `--output is given twice, "a.png" and "b.svg", and takes one value`,
		"trace a -k 3 --top=4":                   `--top is given twice, "3" and "4"`,
		"patch a b --json --json=false":          `--json is given twice, "true" and "false"`,
		"serve --no-pager --no-pager=false":      "--no-pager is given twice",
		"features a --sae x --sae y":             "--sae is given twice",
		"generate a --lens --lens=embed":         `--lens is given twice, "logit" and "embed"`,
		"tokenize a -m x --model x --no-bos":     `--model is given twice, "x" and "x"`,
		"trace a --view rnk --json --json -q -q": "view \"rnk\" is unknown", // a flag without a value may be repeated
	} {
		code, _, errs := ran(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, code, args)
		require.Contains(t, errs, says, args)
	}
}

func TestAViewThatNothingShowsIsRefused(t *testing.T) {
	model := modeltest.Path(t, modeltest.TinyLlama)
	for _, c := range []struct {
		args string
		says string // "": it is shown
	}{
		{"--last --view rank", "--view rank colours a grid, and --last has candidates on the colour of their own probability: leave one of them out"},
		{"--last --view token", "--view token colours a grid"},
		{"--last --view kl -o x.png", "--view kl colours a grid, and a picture of --last has candidates"},
		{"--picture candidates --view kl -o x.svg", "--view kl colours a grid, and --picture candidates has"},
		{"--picture curves --view kl -o x.svg", "--view kl colours a grid, and --picture curves has lines"},
		{"--last --view prob", ""},
		{"--last --view rank --json", ""}, // which has all numbers
		{"--last --view rank --picture heatmap -o - --format svg", ""},
		{"--last --view rank -o - --format html", ""},
	} {
		code, _, errs := ran(t, append([]string{"trace", "--ids", "30,7,500", "-q", "-m", model}, strings.Fields(c.args)...)...)
		require.Equal(t, c.says != "", code == exitUsage, c.args+errs)
		require.Contains(t, errs, c.says)
	}
	code, _, errs := ran(t, "compare", "--ids", "30,7", "--ids-b", "30,8", "-m", model, "--last", "--view", "kl", "-o", "x.png")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "--view kl colours a grid, and a picture of --last has candidates")

	s := serve.New(tinyServed(t), serve.Options{}) // whose page names the view of the grid that it shows
	a, err := s.Run(t.Context(), "trace", []byte(`{"ids":[30,7,500],"last":true,"view":"rank","format":"svg"}`), serve.Watch{})
	require.NoError(t, err)
	require.Equal(t, []string{`"view" rank colours a grid, and a picture of "last" has candidates on the colour of their own probability: it is not in the picture`}, a.Notes)
}

func TestWhatIsWrongInAListOfARequestIsWhatWasAsked(t *testing.T) {
	s := serve.New(tinyServed(t), serve.Options{})
	for _, c := range []struct{ command, request, says string }{
		{"chat", `{"messages":[]}`, `"messages": want a list of messages`},
		{"chat", `{"messages":[1]}`, `"messages": number 0 is no object`},
		{"steer", `{"pairs":[]}`, `"pairs": the list is empty`},
		{"steer", `{"pairs":[{"positive":1}]}`, `"pairs": line 1: `},
		{"trace", `{"ids":[1],"view":"rnk","format":"png"}`, `view "rnk" is unknown`},
		{"trace", `{"ids":[1],"edit":"layers.0.mlp_ot=zero"}`, `edit "layers.0.mlp_ot=zero": site`},
		{"trace", `{"ids":[1,2,3],"picture_width":"1in","font_size":40,"format":"png"}`, "too narrow"},
	} {
		_, err := s.Run(t.Context(), c.command, []byte(c.request), serve.Watch{})
		var refusal *serve.Refusal
		require.ErrorAs(t, err, &refusal, c.request)
		require.Contains(t, s.Sentence(err), c.says)
		require.NotRegexp(t, `\b(render|states|tuned|messages): `, s.Sentence(err))
	}
}

func TestAMessageToAUserNamesNoPackage(t *testing.T) {
	model := modeltest.Path(t, modeltest.TinyLlama)
	for args, says := range map[string]string{
		"trace --ids 1 --view rnk":                                            `mlxlens: view "rnk" is unknown`,
		"trace --ids 1 --lens logt":                                           "mlxlens: logt: no such lens",
		"trace --ids 1 --edit layers.0.mlp_ot=zero":                           `mlxlens: edit "layers.0.mlp_ot=zero": site`,
		"capture --ids 1 --keep layers.0.mlp_ot -o " + t.TempDir() + "/x.npz": `mlxlens: place "layers.0.mlp_ot"`,
	} {
		code, _, errs := ran(t, append(strings.Fields(args), "-m", model, "-q")...)
		require.NotZero(t, code)
		require.Contains(t, errs, says)
	}
	_, _, errs := ran(t, "trace", "--ids", "1", "-q", "-m", model, "--edit", "layers.0.mlp_out@a=add:["+strings.Repeat("0.25,", 300)+"1]")
	require.Less(t, len(errs), 500, "of numbers the first are enough")
}

// stopper is a stdout whose reader stops the program as soon as it says something.
type stopper struct{ *stopping }

func (s stopper) Write(p []byte) (int, error) {
	if !s.take() {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestAServerIsStoppedInTheMomentThatItSaysWhereItIs(t *testing.T) {
	stopping := &stopping{asked: make(chan struct{})}
	ctx := context.WithValue(context.Background(), stoppingKey{}, stopping)
	var errs strings.Builder
	code := run(ctx, &pager{}, []string{"serve", "-m", modeltest.Path(t, modeltest.TinyLlama), "--listen", "127.0.0.1:0", "-q"}, strings.NewReader(""), stopper{stopping}, &errs)
	require.Equal(t, exitDone, code, errs.String())
}
