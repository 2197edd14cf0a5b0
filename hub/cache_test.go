package hub

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/hubtest"
)

// recorded is a cache that huggingface_hub 2.4.0 wrote (testdata/record.py): a model
// fetched whole from main and from the branch of a pull request, one of which only
// config.json was fetched, and one by its commit.
const recorded = "testdata/cache"

func recordedCache(t *testing.T) *Client {
	t.Helper()
	return client(t, nil, func(o *Options) { o.Cache = recorded; o.Offline = true })
}

func TestTheRecordedPythonCacheIsRead(t *testing.T) {
	t.Parallel()
	c := recordedCache(t)
	for name, want := range map[string]string{
		"someone/tiny":                 commit1,
		"someone/tiny@main":            commit1,
		"someone/tiny@" + commit1:      commit1,
		"someone/tiny@refs/pr/1":       commit2,
		"someone/by-commit@" + commit2: commit2,
	} {
		r, err := ParseRef(name)
		require.NoError(t, err)
		got, err := c.Find(r)
		require.NoError(t, err, name)
		require.Equal(t, want, got.Commit)
		text, err := os.ReadFile(filepath.Join(got.Path, "config.json"))
		require.NoError(t, err)
		require.Contains(t, string(text), "model_type")
	}
	for name, says := range map[string]string{
		"someone/tiny@v2":     "is not in the cache",
		"someone/by-commit":   "is not in the cache",
		"someone/config-only": "has no model-00001-of-00002.safetensors, model-00002-of-00002.safetensors",
		"nobody/nothing":      "is not in the cache",
	} {
		r, err := ParseRef(name)
		require.NoError(t, err)
		_, err = c.Find(r)
		require.ErrorIs(t, err, ErrNotCached, name)
		require.ErrorContains(t, err, says)
	}
}

func TestTheRecordedPythonCacheIsListed(t *testing.T) {
	t.Parallel()
	models, err := recordedCache(t).List()
	require.NoError(t, err)
	type revision struct {
		commit   string
		refs     []string
		files    int
		complete bool
	}
	got := map[string][]revision{}
	for _, m := range models {
		var sum int64
		blobs, err := filepath.Glob(filepath.Join(m.Path, "blobs", "*"))
		require.NoError(t, err)
		for _, b := range blobs {
			info, err := os.Stat(b)
			require.NoError(t, err)
			sum += info.Size()
		}
		require.Equal(t, sum, m.Bytes, "what two revisions share counts once")
		require.False(t, m.Modified.IsZero())
		for _, r := range m.Revisions {
			got[m.Repo] = append(got[m.Repo], revision{r.Commit, r.Refs, r.Files, r.Complete()})
		}
	}
	require.Equal(t, map[string][]revision{
		"someone/by-commit":   {{commit2, nil, 4, true}},
		"someone/config-only": {{commit1, []string{"main"}, 1, false}},
		"someone/tiny":        {{commit1, []string{"main"}, 7, true}, {commit2, []string{"refs/pr/1"}, 7, true}},
	}, got)
}

func TestACacheThatIsNotThereIsEmpty(t *testing.T) {
	t.Parallel()
	models, err := client(t, nil).List()
	require.NoError(t, err)
	require.Empty(t, models)
}

func TestListLeavesWhatIsNoModel(t *testing.T) {
	t.Parallel()
	c := client(t, nil)
	for _, dir := range []string{"datasets--a--b/blobs", "models--a--b--c", "blobs/ab", ".locks/models--a--b", "models--gpt2/snapshots"} {
		require.NoError(t, os.MkdirAll(filepath.Join(c.Cache(), dir), 0o777))
	}
	require.NoError(t, os.WriteFile(filepath.Join(c.Cache(), "models--a--file"), nil, 0o666))
	models, err := c.List()
	require.NoError(t, err)
	require.Len(t, models, 1)
	require.Equal(t, "gpt2", models[0].Repo)
	require.True(t, models[0].Modified.Before(time.Now()))
}

// lay puts files into the snapshot of main, without blobs.
func lay(t *testing.T, files map[string]string) *Client {
	t.Helper()
	c := client(t, nil)
	repo := filepath.Join(c.Cache(), ref.folder())
	dir := filepath.Join(repo, "snapshots", commit1)
	require.NoError(t, os.MkdirAll(dir, 0o777))
	require.NoError(t, os.MkdirAll(filepath.Join(repo, "refs"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(repo, "refs", "main"), []byte(commit1), 0o666))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	return c
}

func TestOnlyACompleteSnapshotIsFound(t *testing.T) {
	t.Parallel()
	const config = "config.json"
	index := `{"weight_map": {"a": "` + shard1 + `", "b": "` + shard2 + `"}}`
	for name, test := range map[string]struct {
		files   map[string]string
		missing string // "" when the snapshot is complete
	}{
		"one file":                  {map[string]string{config: "", "model.safetensors": ""}, ""},
		"no weights":                {map[string]string{config: ""}, "model.safetensors"},
		"no config":                 {map[string]string{"model.safetensors": ""}, config},
		"an index and its shards":   {map[string]string{config: "", "model.safetensors.index.json": index, shard1: "", shard2: ""}, ""},
		"an index and a part":       {map[string]string{config: "", "model.safetensors.index.json": index, shard1: ""}, shard2},
		"an index alone":            {map[string]string{config: "", "model.safetensors.index.json": index}, shard1 + ", " + shard2},
		"shards without an index":   {map[string]string{config: "", shard1: "", shard2: ""}, ""},
		"a part without an index":   {map[string]string{config: "", shard2: ""}, shard1},
		"an index of another name":  {map[string]string{config: "", "x.safetensors.index.json": `{"weight_map": {"a": "x.safetensors"}}`, "x.safetensors": ""}, ""},
		"an index that leaves":      {map[string]string{config: "", "model.safetensors.index.json": `{"weight_map": {"a": "../../../x.safetensors"}}`}, "../../../x.safetensors"},
		"an index that is not JSON": {map[string]string{config: "", "model.safetensors.index.json": "{", shard1: ""}, ""},
		"the consolidated form too": {map[string]string{config: "", "model.safetensors": "", "consolidated.safetensors.index.json": index}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := lay(t, test.files).Find(ref)
			if test.missing == "" {
				require.NoError(t, err)
				require.Equal(t, commit1, got.Commit)
				return
			}
			require.ErrorIs(t, err, ErrNotCached)
			require.ErrorIs(t, err, ErrIncomplete)
			require.ErrorContains(t, err, "has no "+test.missing)
		})
	}
}

func TestARefThatIsNoCommitIsNotFollowed(t *testing.T) {
	t.Parallel()
	c := lay(t, map[string]string{"config.json": "", "model.safetensors": ""})
	require.NoError(t, os.WriteFile(filepath.Join(c.Cache(), ref.folder(), "refs", "main"), []byte("../../../elsewhere"), 0o666))
	_, err := c.Find(ref)
	require.ErrorIs(t, err, ErrNotCached)
}

func TestAPlanTellsTheSizeBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	p, err := c.Plan(t.Context(), ref, PullOptions{})
	require.NoError(t, err)
	require.Equal(t, commit1, p.Commit)
	require.Len(t, p.Missing, len(wanted))
	var sum int64
	for _, name := range wanted {
		sum += int64(len(s.Repos[repoName].Files[name]))
	}
	require.Equal(t, sum, p.Bytes)
	require.NoDirExists(t, c.Cache())

	s.Repos[repoName].Files["tokenizer_config.json"] = s.Repos[repoName].Files["config.json"]
	got, err := c.Fetch(t.Context(), p, PullOptions{})
	require.NoError(t, err)
	whole(t, got, model())
	p, err = c.Plan(t.Context(), ref, PullOptions{})
	require.NoError(t, err)
	require.Empty(t, p.Missing, "a new name for content that is there")
	require.Zero(t, p.Bytes)
}

// FuzzSafeName: what is called safe stays inside its folder.
func FuzzSafeName(f *testing.F) {
	for _, seed := range []string{"config.json", "a/b.json", "../x", "/x", "a/../../x", `a\b`, "a\x00b", "", ".", "C:x", "a//b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if safeName(name) {
			rel, err := filepath.Rel("/root", filepath.Join("/root", name))
			require.NoError(t, err)
			require.Equal(t, name, rel)
			require.True(t, filepath.IsLocal(rel))
		}
	})
}

func TestTheServerOfTheTestsNamesBlobsAsGitDoes(t *testing.T) {
	t.Parallel()
	// echo -n hello | git hash-object --stdin
	require.Equal(t, "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0", hubtest.ETag("x.json", []byte("hello")))
}
