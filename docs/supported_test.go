package docs

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model/auto"
)

// judged is what the recorded cases of a family say.
type judged struct {
	judges map[string]bool
	cases  []*golden.Architecture
}

// ofFamilies has the recorded cases by the families' names.
func ofFamilies(t *testing.T) map[string]*judged {
	family := map[string]string{}
	for _, f := range auto.Supported() {
		for _, kind := range f.Types {
			family[kind] = f.Name
		}
	}
	all := map[string]*judged{}
	for _, name := range modeltest.Every(t) {
		a := modeltest.Recorded(t, name)
		var config struct {
			ModelType string `json:"model_type"`
		}
		require.NoError(t, json.Unmarshal(a.Config, &config))
		j := all[family[config.ModelType]]
		if j == nil {
			j = &judged{judges: map[string]bool{}}
			all[family[config.ModelType]] = j
		}
		switch {
		case a.Judges != nil:
			for judge := range a.Judges {
				j.judges[judge] = true
			}
		case config.ModelType == "gpt_neox", strings.Contains(name, "longrope"), name == "gemma3-4bit":
			j.judges["transformers"] = true
		default:
			j.judges["mlx-lm"] = true
		}
		j.cases = append(j.cases, a)
	}
	return all
}

// largest returns the greatest difference of a family's numbers from its judges'.
func (j *judged) largest(t *testing.T) float64 {
	most := 0.0
	for _, a := range j.cases {
		m := modeltest.Build(t, a, auto.Options{})
		most = max(most, modeltest.Difference(t, m, a.Runs[len(a.Runs)-1]))
		m.Close()
	}
	return most
}

// supportedTable has a row for each family; stated are the differences, by the family's name.
func supportedTable(of map[string]*judged, stated map[string]string) string {
	var b strings.Builder
	b.WriteString("| architecture | `model_type` | GGUF | with | held against | differs by at most |\n|---|---|---|---|---|---|\n")
	for _, f := range auto.Supported() {
		gguf := "–"
		if f.GGUF != nil {
			gguf = "`" + strings.Join(f.GGUF, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s |\n", f.Name, strings.Join(f.Types, "`, `"), gguf, f.With,
			strings.Join(slices.Sorted(maps.Keys(of[f.Name].judges)), ", "), stated[f.Name])
	}
	for _, f := range auto.LeftOut() {
		fmt.Fprintf(&b, "| %s | `%s` | – | left out: %s | – | – |\n", f.Name, strings.Join(f.Types, "`, `"), f.With)
	}
	return b.String()
}

var statedRow = regexp.MustCompile(`(?m)^\| ([^|]+) \|.* \| ([^|]+) \|$`)

// The differences are those of the machine on which the table was made: another may have others of
// the same size.
func TestTableOfWhatRunsIsWhatTheCodeSays(t *testing.T) {
	page, err := os.ReadFile("models.md")
	require.NoError(t, err)
	of, stated := ofFamilies(t), map[string]string{}
	for _, row := range statedRow.FindAllStringSubmatch(string(page), -1) {
		stated[row[1]] = row[2]
	}
	if testing.Short() && !*update {
		require.Equal(t, between(t, string(page), "supported", supportedTable(of, stated)), string(page), "go test ./docs -run Table -update")
		return
	}
	for name, j := range of {
		most := j.largest(t)
		if *update {
			exponent := math.Floor(math.Log10(most))
			if math.Ceil(most/math.Pow(10, exponent)) == 10 {
				exponent++
			}
			stated[name] = fmt.Sprintf("%.0fe%.0f", math.Ceil(most/math.Pow(10, exponent)), exponent)
			continue
		}
		var bound float64
		_, err := fmt.Sscan(stated[name], &bound)
		require.NoError(t, err, "%s: %q", name, stated[name])
		require.Less(t, most, 3*bound, name)
	}
	want := between(t, string(page), "supported", supportedTable(of, stated))
	if *update {
		require.NoError(t, os.WriteFile("models.md", []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(page), "the table is not that of the code: go test ./docs -run Table -update")
}
