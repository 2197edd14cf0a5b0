package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/cli"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/hubtest"
	"github.com/mlxlens/mlxlens/mlx"
)

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		os.Exit(cli.Main())
	}
	testscript.Main(m, map[string]func(){"mlxlens": func() { os.Exit(cli.Main()) }})
}

// TestScripts runs whole command lines. $TINY is a random Llama without a
// tokenizer, $TESTDATA the folder of the repository, $MODEL the SmolLM2 of `make model`; a script that needs the latter
// starts with [!model] skip. The command hub starts a model hub on loopback; no
// script reaches another. The command recorded NAME writes a recorded model to the folder NAME; equal compares texts.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	lib, err := mlx.LoadedLibrary()
	if err != nil {
		t.Fatal(err)
	}
	models, _ := filepath.Glob(filepath.Join(root, "models/smollm2/*.gguf"))
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"equal": equalTexts, "exits": exits, "hub": startHub, "recorded": writeRecorded},
		Setup: func(env *testscript.Env) error {
			env.Setenv(mlx.EnvLibrary, lib.Path)
			env.Setenv("LIBRARY", lib.Path)
			env.Setenv("TINY", filepath.Join(root, "testdata/models/tiny-llama-b-4bit-mixed"))
			env.Setenv("TESTDATA", filepath.Join(root, "testdata"))
			env.Setenv("MLXLENS_MODEL", env.Getenv("TINY"))
			if len(models) > 0 {
				env.Setenv("MODEL", models[0])
			}
			env.Setenv("HOME", env.WorkDir)
			// of an Nvidia GPU: its kernels, which it takes minutes to compile, and float32 products of all bits
			for _, kept := range []string{"MLX_PTX_CACHE_DIR", "CUDA_CACHE_PATH", "MLX_ENABLE_TF32"} {
				if value, ok := os.LookupEnv(kept); ok {
					env.Setenv(kept, value)
				}
			}
			env.Setenv("HF_ENDPOINT", "http://127.0.0.1:1") // where nobody listens
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "model":
				return len(models) > 0, nil
			case "gpu":
				return mlx.DefaultDevice() == mlx.GPU, nil
			case "root":
				return os.Getuid() == 0, nil
			}
			return false, errors.New("unknown condition " + cond)
		},
	})
}

// writeRecorded makes the folder of a recorded model: recorded NAME.
func writeRecorded(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: recorded NAME")
	}
	a, err := golden.LoadArchitecture(filepath.Join(ts.Getenv("TESTDATA"), "golden/architectures", args[0]+".json.gz"))
	ts.Check(err)
	ts.Check(os.Mkdir(ts.MkAbs(args[0]), 0o755))
	ts.Check(a.Write(ts.MkAbs(args[0])))
}

// number is one of a text, and digest what is computed of others.
var (
	digest = regexp.MustCompile(`"sum":"[0-9a-f]+"`)
	number = regexp.MustCompile(`\d+(\.\d+)?(e[+-]\d+)?`)
)

// equalTexts compares two texts: equal FILE FILE. On a CPU they are equal. A GPU rounds rows otherwise that are not computed together: there
// numbers with a point may be apart by a thousandth.
func equalTexts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: equal FILE FILE")
	}
	one, other := ts.ReadFile(args[0]), ts.ReadFile(args[1])
	rounded := mlx.DefaultDevice() == mlx.GPU
	if rounded {
		one, other = digest.ReplaceAllString(one, ""), digest.ReplaceAllString(other, "")
		rounded = number.ReplaceAllString(one, "#") == number.ReplaceAllString(other, "#")
	}
	if !rounded {
		if one != other {
			ts.Fatalf("%s and %s differ:\n%s\n%s", args[0], args[1], one, other)
		}
		return
	}
	b := number.FindAllString(other, -1)
	for i, a := range number.FindAllString(one, -1) {
		x, _ := strconv.ParseFloat(a, 64)
		y, _ := strconv.ParseFloat(b[i], 64)
		if whole := !strings.ContainsAny(a, ".e"); whole && x != y || math.Abs(x-y) > 1e-3*max(1, x) {
			ts.Fatalf("%s has %s and %s has %s", args[0], a, args[1], b[i])
		}
	}
}

// startHub starts a hub that has $TINY as someone/tiny, the same gated as
// someone/gated, with another's index as someone/stale, and in GGUF as someone/gguf; tiny is
// an old name of someone/tiny. Lenses and a dictionary are in folders of someone/lenses, a model's repository and a
// space. It sets HF_ENDPOINT.
func startHub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: hub")
	}
	files := map[string][]byte{"README.md": []byte("# tiny\n")}
	entries, err := os.ReadDir(ts.Getenv("TINY"))
	ts.Check(err)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(ts.Getenv("TINY"), e.Name()))
		ts.Check(err)
		files[e.Name()] = content
	}
	commit := strings.Repeat("1", 40)
	stale := maps.Clone(files)
	stale["model.safetensors.index.json"] = []byte(`{"weight_map": {"a": "model-00001-of-00002.safetensors"}}`)
	lenses, data := map[string][]byte{}, ts.Getenv("TESTDATA")
	for name, path := range map[string]string{
		"llama/jlens/llama.pt": "jacobian/llama.pt", "lens/llama/config.json": "tuned/alignment/tiny-llama-a-llama3rope/config.json", "lens/llama/params.pt": "tuned/alignment/tiny-llama-a-llama3rope/params.pt",
		"layer_1/sae/cfg.json": "sparse/tiny-llama-b/cfg.json", "layer_1/sae/sae_weights.safetensors": "sparse/tiny-llama-b/sae_weights.safetensors",
		"mlxterp/tiny.json": "tuned/tiny-llama-a-llama3rope.json", "mlxterp/tiny.npz": "tuned/tiny-llama-a-llama3rope.npz",
	} {
		content, err := os.ReadFile(filepath.Join(data, path))
		ts.Check(err)
		lenses[name] = content
	}
	s := hubtest.New(map[string]*hubtest.Repo{
		"someone/tiny":          {Commit: commit, Files: files},
		"someone/gated":         {Commit: commit, Files: files, Gated: "hf_good"},
		"someone/stale":         {Commit: commit, Files: stale},
		"someone/gguf":          {Commit: commit, Files: map[string][]byte{"tiny.gguf": []byte("GGUF")}},
		"someone/lenses":        {Commit: commit, Files: lenses},
		"spaces/someone/lenses": {Commit: commit, Files: lenses},
	})
	s.Moved = map[string]string{"tiny": "someone/tiny"}
	ts.Defer(s.Close)
	ts.Setenv("HF_ENDPOINT", s.URL)
}

// exits runs a command that must end with the given code, say one thing on stderr,
// and no stack trace: exits CODE COMMAND…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
	said := ts.ReadFile("stderr")
	if strings.Contains(said, "goroutine ") || strings.Count(said, "mlxlens: ") < 1 {
		ts.Fatalf("stderr is not one clear sentence: %s", said)
	}
}
