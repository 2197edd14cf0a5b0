package hub

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mlxlens/mlxlens/internal/hubtest"
	"github.com/stretchr/testify/require"
)

func TestPullFetchesWhatAModelNeedsInThePythonLayout(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	_, err := c.Find(ref)
	require.ErrorIs(t, err, ErrNotCached)
	require.NotErrorIs(t, err, ErrIncomplete)
	got := pull(t, c)

	repo := filepath.Join(c.Cache(), "models--someone--tiny")
	require.Equal(t, Snapshot{Ref: ref, Commit: commit1, Path: filepath.Join(repo, "snapshots", commit1)}, got)
	whole(t, got, model())
	main, err := os.ReadFile(filepath.Join(repo, "refs", "main"))
	require.NoError(t, err)
	require.Equal(t, commit1, string(main), "without a line end, as Python compares it")
	for name, file := range model().Files {
		if slices.Contains(wanted, name) {
			to, err := os.Readlink(filepath.Join(got.Path, name))
			require.NoError(t, err)
			require.Equal(t, "../../blobs/"+hubtest.ETag(name, file), to)
		}
	}
	left, err := filepath.Glob(filepath.Join(repo, "blobs", "*.*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing unfinished is left")

	found, err := c.Find(ref)
	require.NoError(t, err)
	require.Equal(t, got, found)
	found, err = c.Find(Ref{Owner: "someone", Name: "tiny", Revision: commit1})
	require.NoError(t, err)
	require.Equal(t, got.Path, found.Path)
	_, err = c.Find(Ref{Owner: "someone", Name: "tiny", Revision: "v2"})
	require.ErrorIs(t, err, ErrNotCached)
}

func TestPullOfWhatIsThereAsksOnlyForTheCommit(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	pull(t, c)
	before := len(s.Requests())
	pull(t, c)
	require.Len(t, s.Requests(), before+1)
}

func TestANewCommitFetchesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	old := pull(t, c)
	s.Repos[repoName].Commit = commit2
	s.Repos[repoName].Files["config.json"] = []byte(`{"model_type": "qwen3"}`)
	got := pull(t, c)
	require.Equal(t, commit2, got.Commit)
	whole(t, got, s.Repos[repoName])
	whole(t, old, model())
	require.Equal(t, 1, s.Gets(shard1))
	require.Equal(t, 2, s.Gets("config.json"))
}

func TestPullWithoutHashesInTheListingAsksTheFiles(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Bare = true
	cdn := serve(t)
	s.CDN = cdn.URL
	whole(t, pull(t, client(t, s)), model())
}

func TestOfflineUsesTheCacheOnly(t *testing.T) {
	s := serve(t)
	online := client(t, s)
	pull(t, online)
	before := len(s.Requests())
	t.Setenv("HF_HUB_OFFLINE", "yes")
	c := client(t, s, func(o *Options) { o.Cache = online.Cache() })
	require.True(t, c.Offline())
	whole(t, pull(t, c), model())
	_, err := c.Pull(t.Context(), Ref{Owner: "someone", Name: "else", Revision: ""}, PullOptions{})
	require.ErrorIs(t, err, ErrOffline)
	require.ErrorContains(t, err, "HF_HUB_OFFLINE forbids")
	require.Len(t, s.Requests(), before)
}

func TestAFullDiskIsKnownBefore(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	c.free = func(string) (uint64, error) { return 4 << 20, nil }
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.ErrorIs(t, err, ErrNoSpace)
	require.ErrorContains(t, err, "needs 4.2 MB more")
	require.Zero(t, s.Gets(shard1))
	c.free = freeSpace
	pull(t, c)
	free, err := freeSpace(filepath.Join(c.Cache(), "not", "there"))
	require.NoError(t, err)
	require.Positive(t, free)
}

func TestWithoutSymlinksTheSnapshotHoldsTheFiles(t *testing.T) {
	t.Setenv("HF_HUB_DISABLE_SYMLINKS", "1")
	s := serve(t)
	s.Repos[repoName].Files["generation_config.json"] = s.Repos[repoName].Files["config.json"] // one blob, two names
	c := client(t, s)
	got := pull(t, c)
	for _, name := range append(slices.Clone(wanted), "generation_config.json") {
		info, err := os.Lstat(filepath.Join(got.Path, name))
		require.NoError(t, err)
		require.True(t, info.Mode().IsRegular(), name)
		require.EqualValues(t, len(s.Repos[repoName].Files[name]), info.Size())
	}
	_, err := c.Find(ref)
	require.NoError(t, err)
	pull(t, c)
	require.Equal(t, 1, s.Gets(shard1), "what was moved is found")
	models, err := c.List()
	require.NoError(t, err)
	require.Equal(t, models[0].Revisions[0].Bytes, models[0].Bytes)
}

func TestConfigIsLinkedLast(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	snapshot := filepath.Join(c.Cache(), ref.folder(), "snapshots", commit1)
	require.NoError(t, os.MkdirAll(filepath.Join(snapshot, "tokenizer.json", "in the way"), 0o777))
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.Error(t, err)
	require.NoFileExists(t, filepath.Join(snapshot, "config.json"))
	require.NoFileExists(t, filepath.Join(c.Cache(), ref.folder(), "refs", "main"))
}

func TestABrokenLinkIsReplaced(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	got := pull(t, c)
	blob, err := filepath.EvalSymlinks(filepath.Join(got.Path, shard2))
	require.NoError(t, err)
	require.NoError(t, os.Remove(blob))
	_, err = c.Find(ref)
	require.ErrorIs(t, err, ErrNotCached)
	require.ErrorContains(t, err, "has no "+shard2)
	whole(t, pull(t, c), model())
	require.Equal(t, 1, s.Gets(shard1))
}

func TestACacheThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	s := serve(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	c := client(t, s, func(o *Options) { o.Cache = filepath.Join(file, "hub") })
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.ErrorContains(t, err, "cannot be written")
	require.ErrorContains(t, err, "HF_HUB_CACHE")
}
