package hub

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/internal/hubtest"
	"github.com/stretchr/testify/require"
)

const nested = "gpt2-small/jlens/Salesforce-wikitext/lens.safetensors"

// parts is a repository of lenses, none of which makes a model.
func parts() *hubtest.Repo {
	return &hubtest.Repo{Commit: commit1, Files: map[string][]byte{
		"README.md":                content(1, 50),
		nested:                     shard1File,
		"lens/gpt2/config.json":    []byte(`{"d_model": 768}`),
		"lens/gpt2/params.pt":      content(6, 70_000),
		"lens/gpt2/old/params.pt":  content(7, 10),
		"lens/llama/config.json":   []byte(`{"d_model": 4096}`),
		"lens/llama/params.pt":     content(8, 10),
		"sae/layer_5/w/params.npz": content(9, 3000),
	}}
}

func serveParts(t *testing.T) *hubtest.Server {
	t.Helper()
	s := hubtest.New(map[string]*hubtest.Repo{repoName: parts(), "spaces/" + repoName: parts()})
	t.Cleanup(s.Close)
	return s
}

func files(t *testing.T, text string) Files {
	t.Helper()
	f, err := ParseFiles(text)
	require.NoError(t, err)
	return f
}

func TestParseFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Files{
		"a/b/c.pt":             {Ref{Owner: "a", Name: "b"}, []string{"c.pt"}},
		"a/b/c/d.pt@v1":        {Ref{Owner: "a", Name: "b", Revision: "v1"}, []string{"c/d.pt"}},
		"a/b/c/d/@refs/pr/1":   {Ref{Owner: "a", Name: "b", Revision: "refs/pr/1"}, []string{"c/d"}},
		"spaces/a/b/c.pt":      {Ref{Owner: "a", Name: "b", Kind: OfSpace}, []string{"c.pt"}},
		"datasets/a/b/c@main":  {Ref{Owner: "a", Name: "b", Revision: "main", Kind: OfDataset}, []string{"c"}},
		"a/b/with@sign.pt@dev": {Ref{Owner: "a", Name: "b", Revision: "dev"}, []string{"with@sign.pt"}},
	} {
		got, err := ParseFiles(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		again, err := ParseFiles(got.String())
		require.NoError(t, err)
		require.Equal(t, want, again)
	}
	for _, text := range []string{"", "a", "a/b", "a/b@v1", "spaces/a/b", "a/b/../c", "a/b//c", "a/b/./c", "a/b/c\\d", "a/b/c:d", "a/b/\u202ec", "a/../c/d", "-a/b/c", "a/b/c@..", "a/b/c@", "a/b/" + strings.Repeat("x", 2000)} {
		_, err := ParseFiles(text)
		require.ErrorIs(t, err, ErrRef, text)
	}
}

func TestOneFileOfARepositoryIsFetchedAlone(t *testing.T) {
	t.Parallel()
	s := serveParts(t)
	c := client(t, s)
	f := files(t, repoName+"/"+nested)
	_, err := c.FindFiles(f)
	require.ErrorIs(t, err, ErrNotCached)
	plan, err := c.PlanFiles(t.Context(), f, PullOptions{})
	require.NoError(t, err)
	require.EqualValues(t, len(shard1File), plan.Bytes)
	got, err := c.PullFiles(t.Context(), f, PullOptions{})
	require.NoError(t, err)
	path := filepath.Join(got.Path, filepath.FromSlash(nested))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, shard1File, text)
	to, err := os.Readlink(path)
	require.NoError(t, err)
	require.Equal(t, "../../../../../blobs/"+hubtest.ETag(nested, shard1File), to, "as Python's huggingface_hub links it")
	require.Equal(t, 1, s.Gets(nested))
	require.Zero(t, s.Gets("README.md"))
	before := len(s.Requests())
	found, err := c.FindFiles(f)
	require.NoError(t, err)
	require.Equal(t, got, found)
	require.Len(t, s.Requests(), before, "what is there is not asked for")
	_, err = c.Find(ref)
	require.ErrorIs(t, err, ErrIncomplete, "it is no model")
}

func TestAFolderIsFetchedWithWhatLiesInIt(t *testing.T) {
	t.Parallel()
	s := serveParts(t)
	c := client(t, s)
	got, err := c.PullFiles(t.Context(), files(t, "spaces/"+repoName+"/lens/gpt2"), PullOptions{})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(c.Cache(), "spaces--someone--tiny", "snapshots", commit1), got.Path)
	require.Equal(t, []string{"config.json", "params.pt"}, filesOf(filepath.Join(got.Path, "lens", "gpt2")))
	require.NoDirExists(t, filepath.Join(got.Path, "lens", "llama"))
	require.NoDirExists(t, filepath.Join(got.Path, "lens", "gpt2", "old"))
	both, err := c.PullFiles(t.Context(), Files{got.Ref, []string{"lens/gpt2", "lens/llama/params.pt"}}, PullOptions{})
	require.NoError(t, err)
	require.Equal(t, got.Path, both.Path)
	require.Equal(t, []string{"params.pt"}, filesOf(filepath.Join(got.Path, "lens", "llama")))
	require.Equal(t, 1, s.Gets("lens/gpt2/params.pt"))
	models, err := c.List()
	require.NoError(t, err)
	require.Empty(t, models, "a space is no model")
}

func TestFilesThatAreNotThereAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := serveParts(t)
	c := client(t, s)
	for text, says := range map[string]string{
		"someone/tiny/nowhere.pt":             "has no file nowhere.pt, and no folder with files (it has ",
		"someone/tiny/lens":                   "(it has lens/gpt2, lens/llama)",
		"someone/tiny/lens/gpt2/other.pt":     "(it has lens/gpt2/config.json, lens/gpt2/old, lens/gpt2/params.pt)",
		"someone/tiny/lens/gpt2/params.pt@v9": `has no revision "v9"`,
		"spaces/someone/else/lens.pt":         `"spaces/someone/else"`,
	} {
		_, err := c.PullFiles(t.Context(), files(t, text), PullOptions{})
		require.ErrorIs(t, err, ErrNotFound, text)
		require.ErrorContains(t, err, says)
	}
	_, err := c.PullFiles(t.Context(), Files{Ref: ref}, PullOptions{})
	require.ErrorContains(t, err, "no file was named")
}

func TestFilesThatHaveComeAreUsedOffline(t *testing.T) {
	t.Parallel()
	s := serveParts(t)
	online := client(t, s)
	f := files(t, repoName+"/lens/gpt2")
	want, err := online.PullFiles(t.Context(), f, PullOptions{})
	require.NoError(t, err)
	c := client(t, s, func(o *Options) { o.Cache, o.Offline = online.Cache(), true })
	got, err := c.PullFiles(t.Context(), f, PullOptions{})
	require.NoError(t, err)
	require.Equal(t, want, got)
	for name, says := range map[string]string{
		repoName + "/" + nested:                      "someone/tiny/" + nested + " is not in the cache",
		repoName + "/lens/gpt2/param.pt":             "someone/tiny/lens/gpt2/param.pt is not in the cache " + c.Cache() + ", which of someone/tiny at " + commit1 + " has lens/gpt2/config.json, lens/gpt2/params.pt, and",
		repoName + "/lenses":                         "someone/tiny/lenses is not in the cache " + c.Cache() + ", which of someone/tiny at " + commit1 + " has lens, and",
		repoName + "/lens/gpt2/params.pt@" + commit2: "someone/tiny/lens/gpt2/params.pt@" + commit2 + " is not in the cache " + c.Cache() + ", and",
	} {
		_, err = c.PullFiles(t.Context(), files(t, name), PullOptions{})
		require.ErrorIs(t, err, ErrOffline)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "forbids to fetch it: unset it, or give a path")
	}
}

// What breaks the download of a model's file breaks that of a nested one no more, and a hub that lies is
// found out.
func TestPullOfOneFileSurvives(t *testing.T) {
	t.Parallel()
	for _, misbehaviours := range []map[string]misbehaviour{brokenConnections, wrongAnswers} {
		for name, misbehave := range misbehaviours {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := serveParts(t)
				var n atomic.Int32
				s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
					return resolves(r, nested) && misbehave(int(n.Add(1)), w, r)
				})
				c := client(t, s, func(o *Options) {
					if strings.HasPrefix(name, "a stall") {
						o.Stall = 2 * time.Second
					}
				})
				got, err := c.PullFiles(t.Context(), files(t, repoName+"/"+nested), PullOptions{})
				require.NoError(t, err)
				text, err := os.ReadFile(filepath.Join(got.Path, filepath.FromSlash(nested)))
				require.NoError(t, err)
				require.Equal(t, shard1File, text)
				require.Greater(t, int(n.Load()), 1)
			})
		}
	}
}

func TestAHubThatLiesAboutAFileIsRefused(t *testing.T) {
	t.Parallel()
	f := files(t, repoName+"/"+nested)
	s := serveParts(t)
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if resolves(r, nested) {
			_, _ = w.Write(content(77, len(shard1File)))
		}
		return resolves(r, nested)
	})
	c := client(t, s)
	_, err := c.PullFiles(t.Context(), f, PullOptions{})
	require.ErrorIs(t, err, ErrChecksum)
	_, err = c.FindFiles(f)
	require.ErrorIs(t, err, ErrNotCached)

	evil := serveParts(t)
	evil.Repos[repoName].Files["../../outside.pt"] = []byte("x")
	_, err = client(t, evil).PullFiles(t.Context(), f, PullOptions{})
	require.ErrorIs(t, err, ErrProtocol)
	require.ErrorContains(t, err, "is no path inside a folder")
}
