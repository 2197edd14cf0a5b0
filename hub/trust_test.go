package hub

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/internal/hubtest"
	"github.com/stretchr/testify/require"
)

// sizes answers the listing with files of such sizes.
func sizes(size string, files int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		fmt.Fprintf(w, `{"sha": %q, "siblings": [{"rfilename": "config.json", "size": 2, "blobId": %q}`, commit1, commit1)
		for i := range files {
			fmt.Fprintf(w, `, {"rfilename": "model-%05d-of-%05d.safetensors", "size": %s, "lfs": {"sha256": "%064d", "size": %s}}`, i+1, files, size, i, size)
		}
		io.WriteString(w, "]}")
	}
}

var hostileHubs = map[string]failingPull{
	"sizes that overflow together": {
		server: onAPI(sizes("1125899906842624", 900)), is: []error{ErrProtocol}, says: []string{"more than 1125899906842624 bytes together"},
	},
	"a size that is negative": {server: onAPI(sizes("-1", 1)), is: []error{ErrProtocol}, says: []string{"the size -1"}},
	"a size that is no 64-bit integer": {server: onAPI(sizes("9223372036854775808", 1)), is: []error{ErrProtocol},
		says: []string{"hub: someone/tiny: the server describes the model with number 9223372036854775808 as siblings", "check HF_ENDPOINT"}},
	"a size in a header that is no 64-bit integer": {
		server: func(s *hubtest.Server) {
			s.Bare = true
			s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodHead {
					return false
				}
				w.Header().Set("X-Linked-Etag", strings.Repeat("0", 64))
				w.Header().Set("X-Linked-Size", "9223372036854775808")
				return true
			})
		},
		is: []error{ErrProtocol}, says: []string{"hub: someone/tiny: the server gives ", ` the size "9223372036854775808" (X-Linked-Size)`},
	},
	"a size larger than any disk": {server: onAPI(sizes("9223372036854775807", 1)), is: []error{ErrProtocol}, says: []string{"the size 9223372036854775807"}},
	"ten thousand files": {
		server: onAPI(sizes("1", 10000)), is: []error{ErrProtocol}, says: []string{"lists 10001 files that the model would need, and 1000 are the most"},
	},
	"a name that runs backwards": {
		server: changed(func(r *hubtest.Repo) { r.Files["model\u202esnosj.gpj"] = []byte("x") }),
		is:     []error{ErrProtocol}, says: []string{`lists a file "model\u202esnosj.gpj"`},
	},
	"a listing in gzip": {
		server: onAPI(func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip"); w.Write([]byte("\x1f\x8b")) }),
		is:     []error{ErrProtocol}, says: []string{`in the encoding "gzip", and was asked for none`},
	},
	"a file in br": {
		server: onFile(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			w.Write([]byte("x"))
		}),
		is: []error{ErrProtocol}, says: []string{shard1, `in the encoding "br"`},
	},
	"a file that is refused for good": {
		server: onFile(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }),
		is:     []error{ErrNotFound}, says: []string{"410"},
	},
	"a file behind a login": {
		server: onFile(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }),
		is:     []error{ErrUnauthorized}, says: []string{"401"},
	},
	"a redirect to what is no web address": {
		server: onFile(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
		}),
		is: []error{ErrProtocol}, says: []string{"hub: someone/tiny: " + shard1 + ": ", "redirects from http to file"},
	},
	"a rest that is refused again and again": {
		server: func(s *hubtest.Server) {
			s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case !resolves(r, shard1):
					return false
				case r.Header.Get("Range") == "":
					promiseHalf(w)
					hangUp(w)
				default:
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				}
				return true
			})
		},
		is: []error{ErrProtocol}, says: []string{"refuses again and again to send the rest of " + shard1 + " (416)"},
	},
}

func TestAHostileHubIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range hostileHubs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.check(t)
		})
	}
}

// each answers every request for the first shard with some bytes from where it should go
// on, and hangs up.
func each(s *hubtest.Server, n int) {
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !resolves(r, shard1) {
			return false
		}
		from := 0
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(shard1File)-1, len(shard1File)))
			w.Header().Set("Content-Length", fmt.Sprint(len(shard1File)-from))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", fmt.Sprint(len(shard1File)))
		}
		w.Write(shard1File[from:min(from+n, len(shard1File))])
		http.NewResponseController(w).Flush()
		hangUp(w)
		return true
	})
}

func TestAByteAConnectionIsNoProgress(t *testing.T) {
	t.Parallel()
	s := serve(t)
	each(s, 1)
	_, err := client(t, s).Pull(t.Context(), ref, PullOptions{})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "gave up after 4 attempts")
	require.LessOrEqual(t, len(s.Requests()), 1+5+4, "the listing, the other files, four attempts")
}

func TestAPieceAConnectionIsProgress(t *testing.T) {
	t.Parallel()
	s := serve(t)
	each(s, 256<<10)
	whole(t, pull(t, client(t, s)), model())
}

func TestAConnectionThatDripsIsStalled(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !resolves(r, shard1) {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(shard1File)))
		for i := range shard1File {
			if _, err := w.Write(shard1File[i : i+1]); err != nil || r.Context().Err() != nil {
				break
			}
			http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
		return true
	})
	c := client(t, s, func(o *Options) { o.Stall = 100 * time.Millisecond; o.Attempts = 2 })
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "hub: someone/tiny: "+shard1+": stalled: ")
}

func TestHeadersAreNotFollowedFromHTTPSToHTTP(t *testing.T) {
	t.Parallel()
	plain := serve(t)
	s := serve(t)
	s.Bare = true
	tls := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			http.Redirect(w, r, plain.URL+r.URL.Path, http.StatusFound)
			return
		}
		s.Config.Handler.ServeHTTP(w, r)
	}))
	defer tls.Close()
	c := client(t, nil, func(o *Options) { o.Endpoint = tls.URL })
	c.http.Transport.(*authorized).next = tls.Client().Transport
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.ErrorIs(t, err, ErrProtocol)
	require.ErrorContains(t, err, "hub: someone/tiny: ")
	require.ErrorContains(t, err, "redirects from https to http")
	require.Empty(t, plain.Requests())
}

// damage changes a byte of a blob and keeps its size.
func damage(t *testing.T, c *Client, name string) {
	t.Helper()
	path := filepath.Join(c.Cache(), ref.folder(), "blobs", hubtest.ETag(name, model().Files[name]))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o644))
}

func TestVerifyFetchesADamagedFileAgain(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	pull(t, c)
	damage(t, c, shard2)
	pull(t, c) // the size is right
	require.Equal(t, 1, s.Gets(shard2))
	found := map[EventKind][]string{}
	got, err := c.Pull(t.Context(), ref, PullOptions{Verify: true, Progress: func(e Event) { found[e.Kind] = append(found[e.Kind], e.File.Name) }})
	require.NoError(t, err)
	whole(t, got, model())
	require.Equal(t, []string{shard2}, found[Damaged])
	require.Equal(t, []string{shard2}, found[Finished])
	require.Len(t, found[Verified], len(wanted)-1)
	require.Equal(t, 1, s.Gets(shard1), "what is whole stays")
}

func TestVerifyMendsFilesThatAreNoLinks(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	c.noSymlinks = true
	at := filepath.Join(pull(t, c).Path, shard1)
	b, err := os.ReadFile(at)
	require.NoError(t, err)
	b[7]++
	require.NoError(t, os.WriteFile(at, b, 0o644))
	got, err := c.Pull(t.Context(), ref, PullOptions{Verify: true})
	require.NoError(t, err)
	whole(t, got, model())
}

func TestAfterACrashTheFirstUseVerifies(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	snapshot := pull(t, c)
	require.NoFileExists(t, c.marker(ref, commit1), "a Pull that ended leaves no doubt")

	require.NoError(t, os.WriteFile(c.marker(ref, commit1), nil, 0o644)) // as a killed process leaves it
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(c.marker(ref, commit1), old, old))
	damage(t, c, shard1)
	_, err := c.Find(ref)
	require.ErrorIs(t, err, ErrIncomplete)
	require.ErrorIs(t, err, ErrChecksum)
	require.ErrorContains(t, err, "is damaged in the cache: the content of "+shard1)
	require.Equal(t, snapshot, pull(t, c))
	require.Equal(t, 2, s.Gets(shard1))
	whole(t, snapshot, model())

	require.NoError(t, os.WriteFile(c.marker(ref, commit1), nil, 0o644))
	_, err = c.Find(ref)
	require.NoError(t, err)
	require.NoFileExists(t, c.marker(ref, commit1), "what was checked is not in doubt any more")
}

func TestALinkInTheCacheIsNotWrittenThrough(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(string, string) error{"symbolic": os.Symlink, "hard": os.Link} {
		s := serve(t)
		c := client(t, s)
		mine := filepath.Join(t.TempDir(), "mine")
		require.NoError(t, os.WriteFile(mine, []byte("mine"), 0o644))
		blobs := filepath.Join(c.Cache(), ref.folder(), "blobs")
		require.NoError(t, os.MkdirAll(blobs, 0o755))
		require.NoError(t, link(mine, filepath.Join(blobs, hubtest.ETag(shard1, shard1File)+".incomplete")), name)
		whole(t, pull(t, c), model())
		text, err := os.ReadFile(mine)
		require.NoError(t, err)
		require.Equal(t, "mine", string(text), name)
	}
}

func TestWhatAKilledPullWasNamingGoes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	at := pull(t, c).Path
	left := []string{filepath.Join(at, "config.json.0123456789abcdef.tmp"), filepath.Join(c.Cache(), ref.folder(), "refs", "main.1f.tmp")}
	for _, path := range left {
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	pull(t, c)
	for _, path := range left {
		require.NoFileExists(t, path)
	}
}

func TestAStaleIndexIsIgnoredWithANote(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Repos[repoName].Files = map[string][]byte{
		"config.json": []byte("{}"), "model.safetensors": content(6, 1000), "model.safetensors.index.json": model().Files["model.safetensors.index.json"],
	}
	c := client(t, s)
	got := pull(t, c)
	require.Contains(t, got.Note, "model.safetensors.index.json names files that are not there")
	found, err := c.Find(ref)
	require.NoError(t, err)
	require.Equal(t, got, found)
	models, err := c.List()
	require.NoError(t, err)
	require.True(t, models[0].Revisions[0].Complete())
}

func TestAPartOfAModelIsNotTakenForAStaleIndex(t *testing.T) {
	t.Parallel()
	require.True(t, stale([]string{"model.safetensors"}, []string{shard1, shard2}))
	require.True(t, stale([]string{"model-00001-of-00001.safetensors"}, []string{shard1, shard2}))
	require.False(t, stale([]string{shard1}, []string{shard1, shard2}), "half a model")
	require.False(t, stale([]string{"model.safetensors", shard1}, []string{shard1, shard2}), "a build that is not whole beside another")
	require.False(t, stale([]string{"other.safetensors"}, []string{shard1, shard2}))
	require.False(t, stale([]string{shard1, shard2}, []string{shard1, shard2}))
}

func TestALoneShardIsAModelWhateverItsNumber(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"00000-of-00001", "00001-of-00001", "00002-of-00001"} {
		s := serve(t)
		s.Repos[repoName].Files = map[string][]byte{"config.json": []byte("{}"), "model-" + number + ".safetensors": content(6, 1000)}
		c := client(t, s)
		got := pull(t, c)
		found, err := c.Find(ref)
		require.NoError(t, err, number)
		require.Equal(t, got, found)
	}
	s := serve(t)
	s.Repos[repoName].Files = map[string][]byte{"config.json": []byte("{}"), "model-00000-of-00002.safetensors": content(6, 1000)}
	_, err := client(t, s).Pull(t.Context(), ref, PullOptions{})
	require.ErrorContains(t, err, "does not list model-00001-of-00002.safetensors, which the model promises")
}

func TestANameWithoutOwnerIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Moved = map[string]string{"tiny": repoName} // as the hub has gpt2
	c := client(t, s)
	old := Ref{Name: "tiny"}
	got, err := c.Pull(t.Context(), old, PullOptions{})
	require.NoError(t, err)
	require.Contains(t, got.Path, filepath.Join("models--tiny", "snapshots"))
	models, err := c.List()
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(models, func(m Model) bool { return m.Repo == old.String() }))
	listed, err := ParseRef(models[0].Repo)
	require.NoError(t, err)
	found, err := c.Find(listed)
	require.NoError(t, err)
	require.Equal(t, got, found)
	require.True(t, strings.HasPrefix(listed.folder(), "models--"))
}
