package nn_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of names into docs/mlx.md")

// goNames are the names of mlx.nn and mlx.optimizers that are not this package's in Go's
// spelling: what stands for them, mlx for that package; or, behind a dash, why nothing does.
var goNames = map[string]string{
	"nn.Conv1d": "Conv", "nn.Conv2d": "Conv", "nn.Conv3d": "Conv", "nn.ConvTranspose1d": "ConvTranspose", "nn.ConvTranspose2d": "ConvTranspose",
	"nn.ConvTranspose3d": "ConvTranspose", "nn.MaxPool1d": "MaxPool", "nn.MaxPool2d": "MaxPool", "nn.MaxPool3d": "MaxPool", "nn.AvgPool1d": "AvgPool",
	"nn.AvgPool2d": "AvgPool", "nn.AvgPool3d": "AvgPool", "nn.Dropout2d": "Dropout2D", "nn.Dropout3d": "Dropout3D", "nn.Module": "Model",
	"nn.QuantizedLinear": "Linear", "nn.QuantizedEmbedding": "Embedding",
	"nn.GELU": "mlx.GELU", "nn.ReLU": "mlx.ReLU", "nn.SiLU": "mlx.SiLU", "nn.Sigmoid": "mlx.Sigmoid", "nn.Softmax": "mlx.Softmax", "nn.Tanh": "mlx.Tanh",
	"nn.gelu": "mlx.GELU", "nn.relu": "mlx.ReLU", "nn.silu": "mlx.SiLU", "nn.sigmoid": "mlx.Sigmoid", "nn.softmax": "mlx.Softmax", "nn.tanh": "mlx.Tanh",
	"nn.gelu_approx": "mlx.GELUTanh", "nn.gelu_fast_approx": "GELUFast", "nn.Step": "StepAt", "nn.step": "StepAt", "nn.celu": "CELU", "nn.elu": "ELU",
	"nn.glu": "GLU", "nn.prelu": "PReLU", "nn.relu2": "ReLU2", "nn.relu6": "ReLU6", "nn.selu": "SELU", "nn.leaky_relu": "LeakyReLU",
	"nn.value_and_grad":     "Model.ValueAndGrad",
	"nn.losses.kl_div_loss": "KLDivergence", "nn.losses.gaussian_nll_loss": "GaussianNLL", "nn.losses.l1_loss": "L1", "nn.losses.mse_loss": "MSE",
	"nn.losses.nll_loss": "NLL", "nn.losses.binary_cross_entropy": "BinaryCrossEntropy BinaryCrossEntropyOf",
	"nn.losses.cross_entropy": "CrossEntropy SmoothCrossEntropy", "nn.losses.smooth_l1_loss": "SmoothL1", "optimizers.MultiOptimizer": "NewMultiOptimizer",
	"nn.QuantizedAllToShardedLinear": "AllToShardedLinear", "nn.QuantizedShardedToAllLinear": "ShardedToAllLinear",
	"nn.FullyShardedModule": "–: parameters spread over machines between steps", "nn.fully_shard": "–: the same",
}

// spelled turns a name of Python's into Go's: log_cosh_loss into LogCosh.
func spelled(name string) string {
	if given, ok := goNames[name]; ok {
		return given
	}
	prefix := ""
	if strings.HasPrefix(name, "nn.init.") {
		prefix = "Init"
	}
	name = strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "_loss")
	for part := range strings.SplitSeq(name, "_") {
		prefix += strings.ToUpper(part[:1]) + part[1:]
	}
	return prefix
}

// exported returns the exported names of a package's folder, methods behind their type's.
func exported(t *testing.T, folder, prefix string, into map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				owner := ""
				if d.Recv != nil {
					star, _ := d.Recv.List[0].Type.(*ast.StarExpr)
					if star == nil {
						continue
					}
					if id, ok := star.X.(*ast.Ident); ok {
						owner = id.Name + "."
					}
				}
				into[prefix+owner+d.Name.Name] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if s, ok := s.(*ast.TypeSpec); ok {
						into[prefix+s.Name.Name] = true
					}
				}
			}
		}
	}
}

func TestEveryNameOfMLXNNHasOneHereOrAReason(t *testing.T) {
	raw, err := os.ReadFile("testdata/names.json")
	require.NoError(t, err)
	var names []string
	require.NoError(t, json.Unmarshal(raw, &names))
	here := map[string]bool{}
	exported(t, ".", "", here)
	exported(t, "..", "mlx.", here)
	var table strings.Builder
	table.WriteString("| mlx.nn, mlx.optimizers | mlx/nn |\n|---|---|\n")
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
		words := spelled(name)
		if strings.HasPrefix(words, "–") {
			fmt.Fprintf(&table, "| `%s` | %s |\n", name, words)
			continue
		}
		var code []string
		for word := range strings.FieldsSeq(words) {
			require.True(t, here[word], "%s: there is no %s", name, word)
			code = append(code, "`"+word+"`")
		}
		fmt.Fprintf(&table, "| `%s` | %s |\n", name, strings.Join(code, " "))
	}
	for name := range goNames {
		require.True(t, known[name], "mlx has no %s", name)
	}
	const page = "../../docs/mlx.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	between := regexp.MustCompile(`(?s)(<!-- nn names: written by go test ./mlx/nn -run Name -update -->\n).*(<!-- end of nn names -->)`)
	require.True(t, between.Match(text), "docs/mlx.md has no place for the table")
	want := between.ReplaceAllString(string(text), "${1}"+strings.ReplaceAll(table.String(), "$", "$$")+"${2}")
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "run go test ./mlx/nn -run Name -update")
}
