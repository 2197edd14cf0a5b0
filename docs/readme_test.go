package docs

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Examples are compiled by go vet, and those of the tutorial run by its test.
func TestTheProgramInTheREADMEIsAnExample(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	example, err := os.ReadFile("../examples/trace/main.go")
	require.NoError(t, err)
	blocks := goCode.FindAllStringSubmatch(string(page), -1)
	require.Len(t, blocks, 1)
	require.Contains(t, string(example), blocks[0][1])
}
