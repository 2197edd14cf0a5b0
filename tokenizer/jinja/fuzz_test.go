package jinja

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever stands in a template, it is a text or an error of the template, in bounded steps.
func FuzzTemplate(f *testing.F) {
	lines, err := os.ReadFile(filepath.Join("testdata", "expressions.txt"))
	require.NoError(f, err)
	for line := range strings.SplitSeq(string(lines), "\n") {
		f.Add(strings.ReplaceAll(line, "↵", "\n"))
	}
	data, err := os.ReadFile(filepath.Join("testdata", "variables.json"))
	require.NoError(f, err)
	v, err := FromJSON(data)
	require.NoError(f, err)
	given := variables(v)
	f.Fuzz(func(t *testing.T, template string) {
		parsed, err := Parse(template)
		if err == nil {
			_, err = parsed.Render(given, Options{Now: fixedNow, steps: 100_000})
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Kind == fault) {
			t.Fatal(err)
		}
	})
}
