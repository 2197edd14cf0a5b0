package mlx_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const childOf = "MLX_TEST_CHILD"

// inChild runs the test once more in a process of its own, where it may take the process with it
// or hang, and is true there.
func inChild(t *testing.T, env ...string) bool {
	t.Helper()
	if os.Getenv(childOf) == t.Name() {
		return true
	}
	within := 2 * time.Minute
	if os.Getenv("MLXLENS_FUZZ_CALLS") != "" {
		within = 30 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", fmt.Sprintf("-test.short=%v", testing.Short()))
	cmd.Env = append(append(os.Environ(), childOf+"="+t.Name()), env...)
	out, err := cmd.CombinedOutput()
	if len(out) > 1<<13 { // the end of a long output has the reason, and the start the place
		out = append(append(out[:1<<12:1<<12], "\n…\n"...), out[len(out)-1<<12:]...)
	}
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
	return false
}
