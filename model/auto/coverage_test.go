package auto_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model/auto"
)

// wantedCoverage is the share of the listed repositories whose config.json has to open.
const wantedCoverage = 0.8

// inUse is a line of testdata/coverage/repositories.tsv.
type inUse struct {
	repository, kind string
	files            int // of public source code that named it in the sample
	refusal          error
}

func readCoverage(t *testing.T) []inUse {
	const dir = "../../testdata/coverage"
	text, err := os.ReadFile(filepath.Join(dir, "repositories.tsv"))
	require.NoError(t, err)
	var all []inUse
	used := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, f, 6, line)
		files, err := strconv.Atoi(f[3])
		require.NoError(t, err, line)
		config, err := os.ReadFile(filepath.Join(dir, "configs", f[2]+".json"))
		require.NoError(t, err)
		var head struct {
			ModelType string `json:"model_type"`
		}
		require.NoError(t, exactjson.Unmarshal(config, &head))
		require.Equal(t, head.ModelType, f[1], line)
		used[f[2]+".json"] = true
		all = append(all, inUse{f[0], f[1], files, auto.CheckConfig(config)})
	}
	entries, err := os.ReadDir(filepath.Join(dir, "configs"))
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, used[e.Name()], "no repository has %s", e.Name())
	}
	return all
}

// reason is a refusal without the list of what is supported.
func reason(err error) string {
	if err == nil {
		return "opens"
	}
	short, _, _ := strings.Cut(err.Error(), " (have:")
	return short
}

func percent(part, of int) float64 { return 100 * float64(part) / float64(of) }

func TestCoverageOfTheRepositoriesInUse(t *testing.T) {
	all := readCoverage(t)
	require.GreaterOrEqual(t, len(all), 60)
	rows, names := map[string]int{}, map[string]bool{}
	opens, seen, seenOpen, files, filesOpen := 0, 0, 0, 0, 0
	for _, l := range all {
		require.False(t, names[l.repository], "%s is listed twice", l.repository)
		names[l.repository] = true
		rows[l.kind+"\t"+reason(l.refusal)]++
		files += l.files
		if l.files > 0 {
			seen++
		}
		if l.refusal == nil {
			opens++
			if l.files > 0 {
				seenOpen++
			}
			filesOpen += l.files
		}
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "type\trepositories\topens, or why not")
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		kind, why, _ := strings.Cut(row, "\t")
		fmt.Fprintf(w, "%s\t%d\t%s\n", kind, rows[row], why)
	}
	require.NoError(t, w.Flush())
	share := float64(opens) / float64(len(all))
	t.Logf("\n%s%d of %d repositories open (%.1f%%); of those of the sample %d of %d (%.1f%%), by the files that name them %d of %d (%.1f%%)",
		&out, opens, len(all), 100*share, seenOpen, seen, percent(seenOpen, seen), filesOpen, files, percent(filesOpen, files))
	require.GreaterOrEqual(t, share, wantedCoverage)
}
