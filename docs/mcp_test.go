package docs

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

// entry is how a program is told of a server.
type entry struct {
	Command string
	Args    []string
	Env     map[string]string
}

// entries are those of a page's configurations.
func entries(t *testing.T) (all []entry) {
	t.Helper()
	page, err := os.ReadFile("mcp.md")
	require.NoError(t, err)
	for _, block := range jsonBlock.FindAllSubmatch(page, -1) {
		var file map[string]map[string]entry
		require.NoError(t, json.Unmarshal(block[1], &file), string(block[1]))
		for key, servers := range file {
			require.Contains(t, []string{"mcpServers", "servers"}, key)
			all = append(all, servers["mlxlens"])
		}
	}
	require.Len(t, all, 3)
	return all
}

func TestTheConfigurationsOfThePageStartAServer(t *testing.T) {
	s := newShell(t)
	for _, e := range entries(t) {
		require.Equal(t, "/usr/local/bin/mlxlens", e.Command)
		if at := slices.Index(e.Args, "-m"); at >= 0 {
			require.Equal(t, "mlx-community/SmolLM2-135M-Instruct", e.Args[at+1])
			e.Args = slices.Delete(slices.Clone(e.Args), at, at+2) // the shell's is the same model
		} else {
			require.Contains(t, e.Env, "MLXLENS_MODEL")
		}
		cmd := exec.Command(s.bin+"/mlxlens", e.Args...)
		cmd.Dir, cmd.Env = t.TempDir(), append(slices.Clone(s.env), "MLXLENS_MODEL="+s.model) // a working directory that has nothing
		ctx := context.Background()
		client, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, &sdk.CommandTransport{Command: cmd}, nil)
		require.NoError(t, err)
		r, err := client.CallTool(ctx, &sdk.CallToolParams{Name: "trace", Arguments: map[string]any{"prompt": "The capital of France is", "last": true}})
		require.NoError(t, err)
		require.False(t, r.IsError)
		final := r.StructuredContent.(map[string]any)["final"].(map[string]any)
		require.Equal(t, " Paris", final["token"].(map[string]any)["text"])
		require.NoError(t, client.Close())
	}
}

func TestThePageNamesEveryTool(t *testing.T) {
	page, err := os.ReadFile("mcp.md")
	require.NoError(t, err)
	description, err := os.ReadFile("schema/serve-1.openapi.json")
	require.NoError(t, err)
	var api struct{ Paths map[string]map[string]any }
	require.NoError(t, json.Unmarshal(description, &api))
	_, tools, _ := strings.Cut(string(page), "## The tools")
	count := 0
	for path, methods := range api.Paths {
		if methods["post"] != nil && path != "/api/v1/draw" { // which writes what a client has already
			count++
			require.Contains(t, tools, "`"+strings.TrimPrefix(path, "/api/v1/")+"`")
		}
	}
	require.Greater(t, count, 10)
}
