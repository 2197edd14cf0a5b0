package thirdparty_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	thirdparty "github.com/mlxlens/mlxlens/third_party"
)

func ExampleRecipe() {
	files, err := fs.Glob(thirdparty.Recipe, "*/*.sh")
	fmt.Println(files, err)
	// Output: [mlx-c/build.sh] <nil>
}

// What the script reads of its own folder is what makes its stamp.
func TestTheRecipeIsWhole(t *testing.T) {
	script, err := fs.ReadFile(thirdparty.Recipe, "mlx-c/build.sh")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(script), `cd "$here" && cat `)
	require.True(t, found)
	list, _, _ = strings.Cut(list, " |")
	for _, name := range strings.Fields(list) {
		name = strings.TrimPrefix("mlx-c/"+name, "mlx-c/../")
		matches, err := fs.Glob(thirdparty.Recipe, name)
		require.NoError(t, err)
		require.NotEmpty(t, matches, name)
	}
	require.NoError(t, fs.WalkDir(thirdparty.Recipe, "mlx-c/source", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			_, err = os.Stat(path)
		}
		return err
	}))
}

// digestOf is the digest that the recipe takes of sources, by their names.
func digestOf(files map[string]string) string {
	whole := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		one := sha256.Sum256([]byte(files[name]))
		whole.Write(append([]byte(name+"\x00"), one[:]...))
	}
	return hex.EncodeToString(whole.Sum(nil))
}
