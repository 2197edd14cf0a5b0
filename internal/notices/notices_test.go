package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// NOTICES.md is what `make generate` writes: it has every module of the program, with its version and
// its texts.
func TestNoticesAreThoseOfTheModulesInTheProgram(t *testing.T) {
	t.Chdir("../..")
	want, err := notices()
	require.NoError(t, err)
	got, err := os.ReadFile("NOTICES.md")
	require.NoError(t, err)
	require.True(t, string(want) == string(got), "run `go generate .`: the modules of the program, or their texts, are not those of NOTICES.md")
	modules, err := modulesOf("linux")
	require.NoError(t, err)
	require.Greater(t, len(modules), 20)
	for _, m := range modules {
		require.Contains(t, string(got), "### "+m.Path+" "+m.Version+"\n\n"+moduleLicences[m.Path]+"\n\n~~~text\n")
	}
	for _, library := range []string{"MLX", "mlx-c", "PocketFFT", "JSON for Modern C++", "gguflib (gguf-tools)", "FP16", "{fmt}", "metal-cpp", "OpenBLAS", "GCC runtime library", "libquadmath"} {
		require.Contains(t, string(got), "### "+library+"\n")
	}
	for _, text := range []string{"GCC RUNTIME LIBRARY EXCEPTION", "GNU GENERAL PUBLIC LICENSE", "GNU LESSER GENERAL PUBLIC LICENSE", "SIL OPEN FONT LICENSE", "Bitstream Vera"} {
		require.Contains(t, string(got), text)
	}
}

func TestAModuleWithoutATextIsAnError(t *testing.T) {
	_, err := licences(t.TempDir())
	require.ErrorContains(t, err, "no licence file")
}
