package hub

import (
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/internal/hubtest"
	"github.com/stretchr/testify/require"
)

const (
	repoName = "someone/tiny"
	commit1  = "1111111111111111111111111111111111111111"
	commit2  = "2222222222222222222222222222222222222222"
	shard1   = "model-00001-of-00002.safetensors"
	shard2   = "model-00002-of-00002.safetensors"
)

var ref = Ref{Owner: "someone", Name: "tiny"}

// content is n bytes that no other seed has.
func content(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// model is a repository with two shards of weights and what a client should leave.
func model() *hubtest.Repo {
	return &hubtest.Repo{Commit: commit1, Files: map[string][]byte{
		"README.md":                    []byte("# tiny\n"),
		"config.json":                  []byte(`{"model_type": "llama"}`),
		"tokenizer.json":               []byte(`{"model": {}}`),
		"tokenizer.model":              content(9, 100),
		"chat_template.jinja":          []byte("{{ messages }}"),
		"model.safetensors.index.json": []byte(`{"weight_map": {"a": "` + shard1 + `", "b": "` + shard2 + `", "c": "` + shard2 + `"}}`),
		shard1:                         content(1, 3<<20),
		shard2:                         content(2, 1<<20+17),
		"consolidated.safetensors":     content(3, 64),
		"original/params.json":         []byte("{}"),
		"onnx/model.safetensors":       content(4, 64),
		"pytorch_model.bin":            content(5, 64),
	}}
}

var wanted = []string{"chat_template.jinja", "config.json", shard1, shard2, "model.safetensors.index.json", "tokenizer.json"}

func serve(t *testing.T) *hubtest.Server {
	t.Helper()
	s := hubtest.New(map[string]*hubtest.Repo{repoName: model()})
	t.Cleanup(s.Close)
	return s
}

// client has a cache of its own and little patience.
func client(t *testing.T, s *hubtest.Server, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Cache: filepath.Join(t.TempDir(), "hub"), Wait: time.Millisecond, Stall: time.Minute, Attempts: 4}
	if s != nil {
		o.Endpoint = s.URL
	}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	require.NoError(t, err)
	return c
}

func pull(t *testing.T, c *Client) Snapshot {
	t.Helper()
	s, err := c.Pull(t.Context(), ref, PullOptions{})
	require.NoError(t, err)
	return s
}

// whole checks that a snapshot holds a repository's files, and nothing that a client
// should leave.
func whole(t *testing.T, s Snapshot, repo *hubtest.Repo) {
	t.Helper()
	entries, err := os.ReadDir(s.Path)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		got, err := os.ReadFile(filepath.Join(s.Path, e.Name()))
		require.NoError(t, err)
		require.Equal(t, hubtest.ETag(e.Name(), repo.Files[e.Name()]), hubtest.ETag(e.Name(), got), e.Name())
	}
	require.Equal(t, wanted, names)
}

// resolves tells the download of one file from other requests.
func resolves(r *http.Request, name string) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/resolve/"+commit1+"/"+name)
}

// hangUp ends the connection without ending the answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.Close()
	}
}
