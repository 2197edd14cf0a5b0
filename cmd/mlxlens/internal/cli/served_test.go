package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/serve"
)

// askedOfTiny runs a trace of a server that was started with some --vectors.
func askedOfTiny(t *testing.T, request string, vectors ...string) (*serve.Answer, error) {
	t.Helper()
	e := tinyServed(t)
	e.served.vectors = vectors
	return serve.New(e, serve.Options{}).Run(context.Background(), "trace", []byte(request), serve.Watch{})
}

func TestAFolderThatTheServerWasStartedWithStandsForItsFiles(t *testing.T) {
	path, sae := modeltest.Path(t, modeltest.TinyLlama), modeltest.Path(t, "testdata/sparse/tiny-llama-b")
	for request, args := range map[string][]string{
		`{"ids":[30,7],"edit":"layers.1.resid_post=add:SAE#7*2"}`:          {"--edit", "layers.1.resid_post=add:SAE#7*2"},
		`{"ids":[30,7],"edit":"layers.1.resid_post=add:SAE/cfg.json#7*2"}`: {"--edit", "layers.1.resid_post=add:SAE/cfg.json#7*2"},
		`{"ids":[30,7],"lens":["logit","SAE","SAE#7"]}`:                    {"--lens", "logit", "--lens", "SAE", "--lens", "SAE#7"},
	} {
		a, err := askedOfTiny(t, strings.ReplaceAll(request, "SAE", sae), sae)
		require.NoError(t, err, request)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "SAE", sae)
		}
		code, want, errs := ran(t, append([]string{"trace", "--ids", "30,7", "--json", "-m", path}, args...)...)
		require.Zero(t, code, errs)
		require.Equal(t, unlike.ReplaceAllString(want, ""), unlike.ReplaceAllString(string(a.Body), ""))
	}
	_, err := askedOfTiny(t, `{"ids":[30,7],"edit":"layers.1.resid_post=add:`+sae+`/cfg.json#7"}`, sae+"/cfg.json")
	require.NoError(t, err, "a dictionary that one of its files names")
}

func TestAFolderStandsForNothingOutsideIt(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "given")
	require.NoError(t, os.MkdirAll(folder+"/inner", 0o700))
	v := &served{vectors: []string{folder, "./here", "."}}
	for _, in := range []string{folder, folder + "/x.npz", "./here", ".", "x.npz"} {
		require.True(t, v.has(in), in)
	}
	for _, out := range []string{folder + "/..", folder + "/../x.npz", folder + "/../given/x.npz", folder + "/inner", folder + "/inner/x.npz", folder + "//x.npz", filepath.Dir(folder), "here/x.npz", "..", "../x.npz", "/etc/passwd", ""} {
		require.False(t, v.has(out), out)
	}
	_, err := askedOfTiny(t, `{"ids":[1],"edit":"layers.1.mlp_out=add:`+folder+`/../x.npz"}`, folder)
	require.ErrorContains(t, err, "the server reads only files that it was started with")
}

func TestADictionaryThatIsGivenAsALensIsRefusedByName(t *testing.T) {
	path, sae := modeltest.Path(t, modeltest.TinyLlama), modeltest.Path(t, "testdata/sparse/tiny-llama-b")
	for _, name := range []string{sae, sae + "#7"} {
		code, _, errs := ran(t, "serve", "-m", path, "--listen", "127.0.0.1:0", "--lens", name)
		require.Equal(t, exitUsage, code)
		require.Contains(t, errs, "--lens "+name+" is a dictionary")
		require.Contains(t, errs, "--vectors "+sae)
		require.Contains(t, errs, "which a server has not")
		code, _, errs = ran(t, "lens", "info", name)
		require.Equal(t, exitUsage, code)
		require.Contains(t, errs, name+" is a dictionary, and no lens")
	}
	_, err := askedOfTiny(t, `{"ids":[1],"lens":["logit","`+sae+`"]}`)
	require.ErrorContains(t, err, "a dictionary with --vectors")
}

func TestTheRefusalOfALensListsTheDictionariesThatItTakes(t *testing.T) {
	sae, e := modeltest.Path(t, "testdata/sparse/tiny-llama-b"), tinyServed(t)
	e.served.vectors = []string{t.TempDir(), sae}
	s := serve.New(e, serve.Options{})
	for command, why := range map[string]string{
		"trace":     `"lens" "nope.pt": the server has no such lens (have: logit, embed, negated, ` + sae + `): start it with --lens and this one, a dictionary with --vectors`,
		"decompose": `"lens" "nope.pt": the server has no such lens (have: logit, embed, negated): start it with --lens and this one`, // which takes no dictionary
	} {
		_, err := s.Run(context.Background(), command, []byte(`{"ids":[1],"lens":"nope.pt"}`), serve.Watch{})
		require.EqualError(t, err, why)
	}
}

func TestAWrongEditOrLensOfARequestIsRefused(t *testing.T) {
	sae := modeltest.Path(t, "testdata/sparse/tiny-llama-b")
	e := tinyServed(t)
	e.served.vectors = []string{sae}
	s := serve.New(e, serve.Options{})
	for _, c := range [][2]string{
		{"trace", `{"ids":[1],"edit":"layers.1.resid_post=steer:nope.pt:<9>"}`},
		{"trace", `{"ids":[1],"edit":"layers.1.resid_post=steer:<99999>"}`},
		{"trace", `{"ids":[1],"edit":"layers.1.resid_post=add:nope.npz"}`},
		{"trace", `{"ids":[1],"edit":"layers.1.resid_post=mean:nope.txt"}`},
		{"trace", `{"ids":[1],"edit":"layers.1.resid_post=steer:SAE#999"}`},
		{"trace", `{"ids":[1],"edit":"layers.1.resid_post=steer:nope#9"}`},
		{"decompose", `{"ids":[1],"lens":"embed"}`},
		{"decompose", `{"ids":[1],"lens":"nope.pt"}`},
	} {
		_, err := s.Run(context.Background(), c[0], []byte(strings.ReplaceAll(c[1], "SAE", sae)), serve.Watch{})
		var refusal *serve.Refusal
		require.True(t, errors.As(err, &refusal), "%s: %v", c[1], err)
	}
}

func TestWhatIsNoFeatureIsSaidOfFeatures(t *testing.T) {
	path, sae := modeltest.Path(t, modeltest.TinyLlama), modeltest.Path(t, "testdata/sparse/tiny-llama-b")
	for _, number := range []string{"-1", "1.5", "7,8", ""} {
		code, _, errs := ran(t, "trace", "-m", path, "--ids", "30,7", "--edit", "layers.1.resid_post=steer:"+sae+"#"+number)
		require.Equal(t, exitUsage, code)
		require.Contains(t, errs, `steer:`+sae+"#"+number)
		require.Contains(t, errs, `"`+number+`" behind "`+sae+`#" is no number of a feature`)
		require.NotContains(t, errs, "FACTOR")
	}
	code, _, errs := ran(t, "trace", "-m", path, "--ids", "30,7", "--edit", "layers.1.resid_post=steer:nothing")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "DIR#NUMBER")
}

func TestConvertSaysWhyALensCannotBeRead(t *testing.T) {
	header := `{"__metadata__":{"format":"mlxlens.jacobian/2"},"layers.0.resid_post":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	file := filepath.Join(t.TempDir(), "l.safetensors")
	require.NoError(t, os.WriteFile(file, slices.Concat([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, []byte(header), make([]byte, 4)), 0o600))
	for _, to := range []string{"x.pt", "x.npz", "x.safetensors"} {
		code, _, errs := ran(t, "lens", "convert", file, "-o", filepath.Join(t.TempDir(), to))
		require.Equal(t, exitFailed, code)
		require.Contains(t, errs, `"mlxlens.jacobian/2"`)
		require.NotContains(t, errs, "params.pt")
	}
}
