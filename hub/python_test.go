package hub

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/hubtest"
)

// envPython names an interpreter that has huggingface_hub.
const envPython = "MLXLENS_PYTHON"

// python runs a program with huggingface_hub on a cache and returns what it prints.
func python(t *testing.T, cache, endpoint, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Getenv(envPython), append([]string{"-c", program}, args...)...)
	cmd.Env = append(os.Environ(), "HF_HUB_CACHE="+cache, "HF_HOME="+filepath.Dir(cache), "HF_ENDPOINT="+endpoint,
		"HF_HUB_DISABLE_PROGRESS_BARS=1", "HF_HUB_DISABLE_TELEMETRY=1", "HF_HUB_DISABLE_UPDATE_CHECK=1", "no_proxy=127.0.0.1")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Logf("python: %s", errs.String())
	}
	return strings.TrimSpace(string(out)), err
}

func needPython(t *testing.T) {
	t.Helper()
	if os.Getenv(envPython) == "" {
		t.Skip("$" + envPython + " does not name an interpreter that has huggingface_hub")
	}
	if _, err := python(t, t.TempDir(), "http://127.0.0.1:1", "import huggingface_hub"); err != nil {
		t.Skip("the interpreter that $" + envPython + " names has no huggingface_hub")
	}
}

const download = `
import sys
from huggingface_hub import snapshot_download
print(snapshot_download(sys.argv[1], revision=sys.argv[2] if len(sys.argv) > 2 else None))`

func TestWhatPythonFetchedIsFound(t *testing.T) {
	t.Parallel()
	needPython(t)
	s := serve(t)
	c := client(t, s)
	path, err := python(t, c.Cache(), s.URL, download, repoName)
	require.NoError(t, err)
	got, err := c.Find(ref)
	require.NoError(t, err)
	require.Equal(t, path, got.Path)
	before := s.Gets(shard1)
	require.Equal(t, got, pull(t, c))
	require.Equal(t, before, s.Gets(shard1), "nothing is fetched again")

	// what Python keeps of the file list tells what a partial snapshot lacks
	part := client(t, s)
	_, err = python(t, part.Cache(), s.URL, `
import sys
from huggingface_hub import snapshot_download
snapshot_download(sys.argv[1], allow_patterns=["config.json", "tokenizer.json"])`, repoName)
	require.NoError(t, err)
	_, err = part.Find(ref)
	require.ErrorIs(t, err, ErrNotCached)
	require.ErrorContains(t, err, shard1+", "+shard2)
	whole(t, pull(t, part), model())
}

func TestWhatWeFetchedPythonFinds(t *testing.T) {
	t.Parallel()
	needPython(t)
	s := serve(t)
	c := client(t, s)
	got := pull(t, c)
	path, err := python(t, c.Cache(), s.URL, `
import sys
from huggingface_hub import snapshot_download, scan_cache_dir, try_to_load_from_cache
found = snapshot_download(sys.argv[1], local_files_only=True)
assert try_to_load_from_cache(sys.argv[1], "config.json") == found + "/config.json"
info = scan_cache_dir()
assert not info.warnings, info.warnings
(repo,) = info.repos
(revision,) = repo.revisions
assert repo.repo_id == sys.argv[1] and revision.refs == {"main"} and len(revision.files) == 6, revision
print(found)`, repoName)
	require.NoError(t, err)
	require.Equal(t, got.Path, path)

	// online it fetches what we left, such as the README, and nothing that is there
	_, err = python(t, c.Cache(), s.URL, download, repoName)
	require.NoError(t, err)
	require.Equal(t, 1, s.Gets(shard1))
	require.Equal(t, 1, s.Gets("README.md"))
}

func TestPythonAndWeExcludeEachOther(t *testing.T) {
	t.Parallel()
	needPython(t)
	s := serve(t)
	c := client(t, s)
	file := s.Repos[repoName].Files[shard1]
	// the lock is taken here and Python must wait for it
	unlock, err := c.lock(t.Context(), ref, File{ETag: prepareLock(t, c, file)}, newTally(nil))
	require.NoError(t, err)
	const try = `
import sys
from filelock import FileLock, Timeout
try:
    FileLock(sys.argv[1], timeout=0.2, mode=0o664).acquire()
    print("free")
except Timeout:
    print("taken")`
	path := filepath.Join(c.Cache(), ".locks", ref.folder(), hubtest.ETag(shard1, file)+".lock")
	said, err := python(t, c.Cache(), s.URL, try, path)
	require.NoError(t, err)
	require.Equal(t, "taken", said)
	unlock()
	said, err = python(t, c.Cache(), s.URL, try, path)
	require.NoError(t, err)
	require.Equal(t, "free", said)
}

var record = flag.Bool("record", false, "write testdata/cache again, with huggingface_hub")

func TestRecordTheCache(t *testing.T) {
	t.Parallel()
	if !*record {
		t.Skip("-record writes testdata/cache again")
	}
	needPython(t)
	small := func(commit, kind string) *hubtest.Repo {
		m := model()
		m.Commit = commit
		m.Files["config.json"] = []byte(`{"model_type": "` + kind + `"}` + "\n")
		m.Files[shard1], m.Files[shard2] = content(1, 100), content(2, 50)
		for _, name := range []string{"consolidated.safetensors", "original/params.json", "pytorch_model.bin", "tokenizer.model"} {
			delete(m.Files, name)
		}
		return m
	}
	whole := small(commit1, "llama")
	delete(whole.Files, "onnx/model.safetensors")
	request := small(commit2, "qwen3")
	delete(request.Files, "onnx/model.safetensors")
	whole.Other = map[string]*hubtest.Repo{"refs/pr/1": request}
	single := &hubtest.Repo{Commit: commit2, Files: map[string][]byte{
		"README.md": []byte("# single\n"), "config.json": []byte(`{"model_type": "gpt2"}`), "model.safetensors": content(3, 70), "onnx/model.safetensors": content(4, 20),
	}}
	s := hubtest.New(map[string]*hubtest.Repo{"someone/tiny": whole, "someone/config-only": small(commit1, "llama"), "someone/by-commit": single})
	defer s.Close()
	cache, err := filepath.Abs(recorded)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(cache))
	program, err := os.ReadFile("testdata/record.py")
	require.NoError(t, err)
	_, err = python(t, cache, s.URL, string(program))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(cache, ".locks"))) // empty files
	require.NoError(t, os.Remove(filepath.Join(cache, "CACHEDIR.TAG")))
}

func prepareLock(t *testing.T, c *Client, file []byte) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(c.Cache(), ".locks", ref.folder()), 0o777))
	return hubtest.ETag(shard1, file)
}
