package mlx_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// MLX itself ends the process at an empty list, and waits for ever for most of the others.
func TestAWrongHostFileOrRankIsNamedBeforeAnyoneIsWaitedFor(t *testing.T) {
	const two = `[["127.0.0.1:5000"], ["127.0.0.1:5001"]]`
	for text, want := range map[string]string{
		"not json": "want a list of each rank's addresses", "[]": "it has 0 ranks", "null": "it has 0 ranks", `{"a": 1}`: "want a list",
		`["127.0.0.1:5000", "127.0.0.1:5001"]`: "want a list", `[["127.0.0.1:5000"]]`: "it has 1 ranks, and a ring takes 2 or more",
		`[["127.0.0.1"], ["127.0.0.1:5001"]]`:                               `rank 0: the address "127.0.0.1": want IP:PORT`,
		`[[" 127.0.0.1:5000"], ["127.0.0.1:5001"]]`:                         `rank 0: the address " 127.0.0.1:5000": want IP:PORT`,
		`[["127.0.0.1:5000"], ["127.0.0.1:99999"]]`:                         `rank 1: the address "127.0.0.1:99999"`,
		`[["127.0.0.1:0"], ["127.0.0.1:5001"]]`:                             `want IP:PORT, the port from 1`,
		`[["0.0.0.0:5000"], ["127.0.0.1:5001"]]`:                            `rank 0: the address "0.0.0.0:5000" is where one listens`,
		`[["127.0.0.1:5000"], ["127.0.0.1:5000"]]`:                          `"127.0.0.1:5000" stands twice, at ranks 0 and 1`,
		`[["127.0.0.1:5000"], []]`:                                          "rank 1 has 0 addresses, and rank 0 has 1",
		`[["127.0.0.1:5000"], ["127.0.0.1:5001"], ["127.0.0.1:5002", "a"]]`: "rank 2 has 2 addresses",
	} {
		file := filepath.Join(t.TempDir(), "hosts.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		noRing(t, file, "0", want)
	}
	file := filepath.Join(t.TempDir(), "hosts.json")
	noRing(t, file, "0", "no such file")
	noRing(t, filepath.Dir(file), "0", "folder")
	require.NoError(t, os.WriteFile(file, []byte(two), 0o600))
	for _, rank := range []string{"2", "-1", "x", "1 "} {
		noRing(t, file, rank, `and the host file "`+file+`" has ranks 0 to 1`)
	}
}

func noRing(t *testing.T, file, rank, want string) {
	t.Helper()
	t.Setenv("MLX_HOSTFILE", file)
	t.Setenv("MLX_RANK", rank)
	for _, backend := range []mlx.Backend{mlx.Ring, mlx.AnyBackend} {
		_, err := mlx.InitDistributed(t.Context(), backend, true)
		require.ErrorContains(t, err, want)
	}
}
