package hub

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/hubtest"
)

// envPull makes the test binary a second process that pulls the model it names.
const envPull = "HUB_TEST_PULL"

func TestMain(m *testing.M) {
	if name := os.Getenv(envPull); name != "" {
		os.Exit(pullInThisProcess(name))
	}
	// what the machine's user has set must not reach the tests
	for _, v := range []string{"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH",
		"HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_SYMLINKS", "HF_HUB_DISABLE_IMPLICIT_TOKEN",
		"XDG_CACHE_HOME", "http_proxy", "HTTP_PROXY"} {
		os.Unsetenv(v)
	}
	home, err := os.MkdirTemp("", "hub-home")
	if err != nil {
		panic(err)
	}
	os.Setenv("HOME", home)
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

func pullInThisProcess(name string) int {
	c, err := New(Options{})
	if err == nil {
		var ref Ref
		if ref, err = ParseRef(name); err == nil {
			_, err = c.Pull(context.Background(), ref, PullOptions{})
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

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
	o := Options{Cache: filepath.Join(t.TempDir(), "hub"), Wait: time.Millisecond, Stall: 5 * time.Second, Attempts: 4}
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

func TestPullFetchesWhatAModelNeedsInThePythonLayout(t *testing.T) {
	s := serve(t)
	c := client(t, s)
	_, err := c.Find(ref)
	require.ErrorIs(t, err, ErrNotCached)
	require.NotErrorIs(t, err, ErrIncomplete)
	got := pull(t, c)

	repo := filepath.Join(c.Cache(), "models--someone--tiny")
	require.Equal(t, Snapshot{ref, commit1, filepath.Join(repo, "snapshots", commit1)}, got)
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
	found, err = c.Find(Ref{"someone", "tiny", commit1})
	require.NoError(t, err)
	require.Equal(t, got.Path, found.Path)
	_, err = c.Find(Ref{"someone", "tiny", "v2"})
	require.ErrorIs(t, err, ErrNotCached)
}

func TestPullOfWhatIsThereAsksOnlyForTheCommit(t *testing.T) {
	s := serve(t)
	c := client(t, s)
	pull(t, c)
	before := len(s.Requests())
	pull(t, c)
	require.Len(t, s.Requests(), before+1)
}

func TestANewCommitFetchesOnlyWhatChanged(t *testing.T) {
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
	s := serve(t)
	s.Bare = true
	cdn := serve(t)
	s.CDN = cdn.URL
	whole(t, pull(t, client(t, s)), model())
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

func TestPullSurvives(t *testing.T) {
	file := model().Files[shard1]
	half := len(file) / 2
	for name, misbehave := range map[string]func(n int, w http.ResponseWriter, r *http.Request) bool{
		"a drop in the body": func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(file)))
			w.Write(file[:half])
			http.NewResponseController(w).Flush()
			hangUp(w)
			return true
		},
		"a drop before the answer": func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n <= 2 {
				hangUp(w)
			}
			return n <= 2
		},
		"a truncated body that ends in order": func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				w.Write(file[:half])
				http.NewResponseController(w).Flush() // chunked: no length is promised
			}
			return n == 1
		},
		"a stall": func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(file)))
			w.Write(file[:half])
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		},
		"a stall before the answer": func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				<-r.Context().Done()
			}
			return n == 1
		},
		"a Range that is ignored": func(n int, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", fmt.Sprint(len(file)))
			if n == 1 {
				w.Write(file[:half])
				http.NewResponseController(w).Flush()
				hangUp(w)
			} else {
				w.Write(file)
			}
			return true
		},
		"a Range that is refused": func(n int, w http.ResponseWriter, r *http.Request) bool {
			switch n {
			case 1:
				w.Header().Set("Content-Length", fmt.Sprint(len(file)))
				w.Write(file[:half])
				http.NewResponseController(w).Flush()
				hangUp(w)
			case 2:
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			}
			return n <= 2
		},
		"500, 503, and 429 with Retry-After": func(n int, w http.ResponseWriter, r *http.Request) bool {
			status := map[int]int{1: 500, 2: 503, 3: 429}[n]
			if status != 0 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(status)
			}
			return status != 0
		},
		"wrong content once": func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				w.Write(content(77, len(file)))
			}
			return n == 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			var n atomic.Int32
			s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
				return resolves(r, shard1) && misbehave(int(n.Add(1)), w, r)
			})
			c := client(t, s, func(o *Options) {
				if o.Stall = 20 * time.Second; strings.HasPrefix(name, "a stall") {
					o.Stall = 2 * time.Second // a loaded machine is not a stalled one
				}
			})
			retried := 0
			got, err := c.Pull(t.Context(), ref, PullOptions{Progress: func(e Event) {
				if e.Kind == Retrying {
					retried++
				}
				assert.LessOrEqual(t, e.Done, e.Total)
			}})
			require.NoError(t, err)
			whole(t, got, model())
			if name != "a drop before the answer" { // which net/http may repeat by itself
				require.Positive(t, retried)
			}
			require.Greater(t, int(n.Load()), 1)
			if name == "a Range that is ignored" {
				require.EqualValues(t, 2, n.Load(), "the second answer is used from its start")
			}
		})
	}
}

func TestADropIsResumedByRange(t *testing.T) {
	s := serve(t)
	file := s.Repos[repoName].Files[shard1]
	var n atomic.Int32
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !resolves(r, shard1) || n.Add(1) > 1 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(file)))
		w.Write(file[:1<<20])
		http.NewResponseController(w).Flush()
		hangUp(w)
		return true
	})
	whole(t, pull(t, client(t, s)), model())
	var ranges []string
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, shard1) {
			ranges = append(ranges, r.Range)
		}
	}
	require.Equal(t, []string{"", "bytes=1048576-"}, ranges)
}

func TestPullFails(t *testing.T) {
	file := model().Files[shard1]
	lie := func(w http.ResponseWriter, body []byte) { w.Write(body) }
	description := func(change func(*hubtest.Repo)) func(*hubtest.Server) {
		return func(s *hubtest.Server) { change(s.Repos[repoName]) }
	}
	onFile := func(f func(http.ResponseWriter, *http.Request)) func(*hubtest.Server) {
		return func(s *hubtest.Server) {
			s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if !resolves(r, shard1) {
					return false
				}
				f(w, r)
				return true
			})
		}
	}
	onAPI := func(f func(http.ResponseWriter)) func(*hubtest.Server) {
		return func(s *hubtest.Server) {
			s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, "/api/") {
					return false
				}
				f(w)
				return true
			})
		}
	}
	for name, test := range map[string]struct {
		server func(*hubtest.Server)
		ref    Ref
		is     []error
		says   []string
	}{
		"a name that is not there": {
			ref: Ref{"someone", "nmae", ""}, is: []error{ErrNotFound, ErrUnauthorized},
			says: []string{`there is no model "someone/nmae"`, "check the spelling", "HF_TOKEN"},
		},
		"a name that is not there, told by 404": {
			server: onAPI(func(w http.ResponseWriter) { w.WriteHeader(404) }),
			is:     []error{ErrNotFound}, says: []string{`there is no model "someone/tiny"`, "404"},
		},
		"a revision that is not there": {
			ref: Ref{"someone", "tiny", "v9"}, is: []error{ErrNotFound}, says: []string{`someone/tiny has no revision "v9"`},
		},
		"a gated model": {
			server: description(func(r *hubtest.Repo) { r.Gated = "hf_good" }), is: []error{ErrUnauthorized},
			says: []string{"gated: accept its licence at http", "someone/tiny, then set HF_TOKEN"},
		},
		"a token that is not accepted": {
			server: onAPI(func(w http.ResponseWriter) {
				w.Header().Set("X-Error-Message", "Invalid credentials in Authorization header")
				w.WriteHeader(401)
			}),
			is: []error{ErrUnauthorized}, says: []string{"does not accept the token"},
		},
		"a listing that is a web page": {
			server: onAPI(func(w http.ResponseWriter) { io.WriteString(w, "<html>log in to the Wi-Fi") }),
			is:     []error{ErrProtocol}, says: []string{"not the hub's JSON", "check HF_ENDPOINT"},
		},
		"a listing without a commit": {
			server: onAPI(func(w http.ResponseWriter) { io.WriteString(w, `{"sha": "../../x", "siblings": []}`) }),
			is:     []error{ErrProtocol}, says: []string{`the commit "../../x"`},
		},
		"a path that leaves the folder": {
			server: description(func(r *hubtest.Repo) { r.Files["../evil.json"] = []byte("{}") }),
			is:     []error{ErrProtocol}, says: []string{`lists a file "../evil.json"`},
		},
		"an absolute path": {
			server: description(func(r *hubtest.Repo) { r.Files["/etc/evil.json"] = []byte("{}") }),
			is:     []error{ErrProtocol}, says: []string{`lists a file "/etc/evil.json"`},
		},
		"a path with a control character": {
			server: description(func(r *hubtest.Repo) { r.Files["a\x1b[2J.json"] = []byte("{}") }),
			is:     []error{ErrProtocol}, says: []string{`\x1b`},
		},
		"an etag that is a path": {
			server: onAPI(func(w http.ResponseWriter) {
				fmt.Fprintf(w, `{"sha": %q, "siblings": [{"rfilename": "config.json", "size": 1, "blobId": "../x"}, {"rfilename": "model.safetensors", "size": 1, "blobId": "y"}]}`, commit1)
			}),
			is: []error{ErrProtocol}, says: []string{`the etag "../x"`},
		},
		"a model in GGUF": {
			server: description(func(r *hubtest.Repo) {
				r.Files = map[string][]byte{"config.json": []byte("{}"), "tiny.Q4_0.gguf": []byte("GGUF")}
			}),
			is: []error{ErrNoWeights}, says: []string{"tiny.Q4_0.gguf", "/someone/tiny/resolve/main/tiny.Q4_0.gguf and give its path"},
		},
		"a shard that the index promises and the hub does not list": {
			server: description(func(r *hubtest.Repo) { delete(r.Files, shard2) }),
			is:     []error{ErrProtocol}, says: []string{"does not list " + shard2},
		},
		"a file that is listed and gone": {
			server: onFile(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }),
			is:     []error{ErrNotFound}, says: []string{shard1, "lists this file and does not have it"},
		},
		"content that is wrong each time": {
			server: onFile(func(w http.ResponseWriter, _ *http.Request) { lie(w, content(77, len(file))) }),
			is:     []error{ErrChecksum}, says: []string{shard1, "has the hash", hubtest.ETag(shard1, file)[:12]},
		},
		"a size that is smaller than listed": {
			server: onFile(func(w http.ResponseWriter, _ *http.Request) { lie(w, file[:1000]) }),
			is:     []error{ErrChecksum}, says: []string{"the server has 1000 bytes of it and the hub lists 3145728"},
		},
		"a body that does not end": {
			server: onFile(func(w http.ResponseWriter, r *http.Request) {
				for range 5 {
					if _, err := w.Write(file); err != nil {
						return
					}
					http.NewResponseController(w).Flush()
				}
			}),
			is: []error{ErrChecksum}, says: []string{"sends more than the 3145728 bytes"},
		},
		"a Range that is answered with another": {
			server: func(s *hubtest.Server) {
				s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
					switch {
					case !resolves(r, shard1):
						return false
					case r.Header.Get("Range") == "":
						w.Header().Set("Content-Length", fmt.Sprint(len(file)))
						w.Write(file[:1<<20])
						http.NewResponseController(w).Flush()
						hangUp(w)
					default:
						w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-%d/%d", len(file)-1, len(file)))
						w.WriteHeader(http.StatusPartialContent)
					}
					return true
				})
			},
			is: []error{ErrProtocol}, says: []string{`Content-Range "bytes 5-`},
		},
		"a server that always fails": {
			server: onFile(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }),
			is:     []error{ErrUnavailable}, says: []string{shard1, "503 Service Unavailable", "gave up after 4 attempts", "what has come is kept"},
		},
		"a server that asks to come back tomorrow": {
			server: onAPI(func(w http.ResponseWriter) { w.Header().Set("Retry-After", "86400"); w.WriteHeader(429) }),
			is:     []error{ErrUnavailable}, says: []string{"429 Too Many Requests", "come back in 24h"},
		},
		"redirects in a circle": {
			server: onFile(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }),
			is:     []error{ErrProtocol}, says: []string{"more than 10 redirects"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			if test.server != nil {
				test.server(s)
			}
			if test.ref == (Ref{}) {
				test.ref = ref
			}
			c := client(t, s)
			_, err := c.Pull(t.Context(), test.ref, PullOptions{})
			require.Error(t, err)
			for _, kind := range test.is {
				require.ErrorIs(t, err, kind)
			}
			for _, text := range test.says {
				require.ErrorContains(t, err, text)
			}
			require.True(t, strings.HasPrefix(err.Error(), "hub: "), err.Error())
			require.NotContains(t, err.Error(), "\x1b")
			_, err = c.Find(test.ref)
			require.ErrorIs(t, err, ErrNotCached, "what failed is no model")
			evil, _ := filepath.Glob(filepath.Join(filepath.Dir(c.Cache()), "evil*"))
			require.Empty(t, evil)
		})
	}
}

func TestAServerThatIsNotThereIsAnError(t *testing.T) {
	s := serve(t)
	c := client(t, s)
	s.Close()
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "connection refused; gave up after 4 attempts")
}

func TestTheTokenGoesToTheEndpointOnly(t *testing.T) {
	cdn := serve(t)
	s := serve(t)
	s.CDN = cdn.URL
	s.Repos[repoName].Gated = "hf_good"
	whole(t, pull(t, client(t, s, func(o *Options) { o.Token = "hf_good" })), model())
	require.Equal(t, 1, cdn.Gets(shard1), "the large files came from the other host")
	for _, r := range cdn.Requests() {
		require.Empty(t, r.Authorization, r.Path)
	}
	for _, r := range s.Requests() {
		require.Equal(t, "Bearer hf_good", r.Authorization, r.Path)
	}
}

func TestASignatureThatEndedIsRenewed(t *testing.T) {
	cdn := serve(t)
	s := serve(t)
	s.CDN = cdn.URL
	var n atomic.Int32
	cdn.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if n.Add(1) > 1 {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	var said []string
	got, err := client(t, s).Pull(t.Context(), ref, PullOptions{Progress: func(e Event) {
		if e.Kind == Retrying {
			said = append(said, e.Err.Error())
		}
	}})
	require.NoError(t, err)
	whole(t, got, model())
	require.Len(t, said, 1)
	require.NotContains(t, said[0], "secret", "a signed address is not shown")
}

func TestARedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	plain := serve(t)
	s := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer s.Close()
	c := client(t, nil, func(o *Options) { o.Endpoint = s.URL })
	c.http.Transport.(*authorized).next = s.Client().Transport
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.ErrorIs(t, err, ErrProtocol)
	require.ErrorContains(t, err, "redirects from https to http")
	require.Empty(t, plain.Requests())
}

func TestACertificateThatIsNotTrustedIsNotTriedAgain(t *testing.T) {
	var n atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	c := client(t, nil, func(o *Options) { o.Endpoint = s.URL; o.Wait = time.Minute })
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "certificate")
	require.Zero(t, n.Load())
}

func TestCancelEndsAtOnceAndTheNextPullGoesOn(t *testing.T) {
	s := serve(t)
	file := s.Repos[repoName].Files[shard1]
	var n atomic.Int32
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !resolves(r, shard1) || n.Add(1) > 1 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(file)))
		w.Write(file[:2<<20])
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	})
	c := client(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var cancelled time.Time
	_, err := c.Pull(ctx, ref, PullOptions{Progress: func(e Event) {
		if e.Kind == Advanced && e.File.Name == shard1 && e.Done >= 2<<20 && cancelled.IsZero() {
			cancelled = time.Now()
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(cancelled), time.Second)
	_, err = c.Find(ref)
	require.ErrorIs(t, err, ErrNotCached)
	left := filepath.Join(c.Cache(), "models--someone--tiny", "blobs", hubtest.ETag(shard1, file)+".incomplete")
	info, err := os.Stat(left)
	require.NoError(t, err)
	require.Positive(t, info.Size())
	models, err := c.List()
	require.NoError(t, err)
	require.Len(t, models, 1)
	require.Empty(t, models[0].Revisions, "a snapshot appears when it is whole")
	require.GreaterOrEqual(t, models[0].Bytes, info.Size())

	plan, err := c.Plan(t.Context(), ref, PullOptions{})
	require.NoError(t, err)
	require.Less(t, plan.Bytes, int64(2<<20+1<<20), "what is there already is not counted")
	whole(t, pull(t, c), model())
	last := s.Requests()[len(s.Requests())-1]
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, shard1) {
			last = r
		}
	}
	require.Equal(t, fmt.Sprintf("bytes=%d-", info.Size()), last.Range)
	require.NoFileExists(t, left)
}

func TestAnIncompleteFileThatIsDamagedIsFetchedAgain(t *testing.T) {
	for name, damage := range map[string][]byte{
		"wrong bytes":  content(50, 1<<20),
		"wrong, whole": content(50, 3<<20),
		"too long":     content(50, 4<<20),
		"empty":        {},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			c := client(t, s)
			blobs := filepath.Join(c.Cache(), "models--someone--tiny", "blobs")
			require.NoError(t, os.MkdirAll(blobs, 0o777))
			left := filepath.Join(blobs, hubtest.ETag(shard1, s.Repos[repoName].Files[shard1])+".incomplete")
			require.NoError(t, os.WriteFile(left, damage, 0o666))
			whole(t, pull(t, c), model())
		})
	}
}

func TestTwoProcessesFetchEachBlobOnce(t *testing.T) {
	s := serve(t)
	file := s.Repos[repoName].Files[shard1]
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !resolves(r, shard1) {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(file)))
		for at := 0; at < len(file); at += 64 << 10 { // slow enough that both are at it
			w.Write(file[at : at+64<<10])
			http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
		return true
	})
	exe, err := os.Executable()
	require.NoError(t, err)
	cache := t.TempDir()
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Env = append(os.Environ(), envPull+"="+repoName, "HF_HUB_CACHE="+cache, "HF_ENDPOINT="+s.URL)
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, string(out))
		})
	}
	group.Wait()
	c := client(t, s, func(o *Options) { o.Cache = cache })
	found, err := c.Find(ref)
	require.NoError(t, err)
	whole(t, found, model())
	for _, name := range wanted {
		require.Equal(t, 1, s.Gets(name), name)
	}
}

func TestPullWaitsForALockAndSaysSo(t *testing.T) {
	s := serve(t)
	c := client(t, s)
	path := filepath.Join(c.Cache(), ".locks", "models--someone--tiny", hubtest.ETag(shard1, s.Repos[repoName].Files[shard1])+".lock")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	l := flock.New(path)
	require.NoError(t, l.Lock())
	waited := false
	got, err := c.Pull(t.Context(), ref, PullOptions{Progress: func(e Event) {
		if e.Kind == Waiting && !waited {
			waited = true
			assert.Equal(t, shard1, e.File.Name)
			assert.Zero(t, s.Gets(shard1))
			assert.NoError(t, l.Unlock())
		}
	}})
	require.NoError(t, err)
	require.True(t, waited)
	whole(t, got, model())

	require.NoError(t, l.Lock())
	defer l.Close()
	require.NoError(t, os.RemoveAll(filepath.Join(c.Cache(), "models--someone--tiny")))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Pull(ctx, ref, PullOptions{})
	require.ErrorIs(t, err, context.DeadlineExceeded, "a wait for a lock can be cancelled")
}

func TestManyPullsInOneProcessAgree(t *testing.T) {
	s := serve(t)
	c := client(t, s)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, err := c.Pull(t.Context(), ref, PullOptions{Progress: func(Event) {}})
			assert.NoError(t, err)
		})
	}
	group.Wait()
	require.Equal(t, 1, s.Gets(shard1))
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
	_, err := c.Pull(t.Context(), Ref{"someone", "else", ""}, PullOptions{})
	require.ErrorIs(t, err, ErrOffline)
	require.ErrorContains(t, err, "HF_HUB_OFFLINE forbids")
	require.Len(t, s.Requests(), before)
}

func TestAFullDiskIsKnownBefore(t *testing.T) {
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
	s := serve(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	c := client(t, s, func(o *Options) { o.Cache = filepath.Join(file, "hub") })
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.ErrorContains(t, err, "cannot be written")
	require.ErrorContains(t, err, "HF_HUB_CACHE")
}

func TestRetryAfterIsHonoured(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[[2]string]time.Duration{
		{"Retry-After", "7"}:                             7 * time.Second,
		{"Retry-After", "Fri, 02 Jan 2026 03:04:35 GMT"}: 30 * time.Second,
		{"Retry-After", "Fri, 02 Jan 2026 03:00:00 GMT"}: 0,
		{"Retry-After", "soon"}:                          0,
		{"RateLimit", `"api";r=0;t=55`}:                  55 * time.Second,
		{"X-Other", "1"}:                                 0,
	} {
		require.Equal(t, want, retryAfter(http.Header{http.CanonicalHeaderKey(header[0]): {header[1]}}, now), header)
	}

	s := serve(t)
	var n atomic.Int32
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if n.Add(1) > 1 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	start := time.Now()
	pull(t, client(t, s))
	require.GreaterOrEqual(t, time.Since(start), time.Second)
}

func TestParseRef(t *testing.T) {
	for text, want := range map[string]Ref{
		"mlx-community/Llama-3.2-1B-Instruct-4bit": {"mlx-community", "Llama-3.2-1B-Instruct-4bit", ""},
		"a/b@main":       {"a", "b", "main"},
		"a/b@refs/pr/1":  {"a", "b", "refs/pr/1"},
		"a/b@" + commit1: {"a", "b", commit1},
		"_a/b_c.d":       {"_a", "b_c.d", ""},
	} {
		got, err := ParseRef(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
	for _, text := range []string{"", "a", "a/", "/a", "a/b/c", "../b", "a/..", "a/b--c", "a--b/c", "a/b@", "a/b@../x", "a/b@/x", "a/b@x/",
		"a/b@a b", "a/b@x\x1b", "a/b@.x", "a/b@x.lock", "a /b", "a/b.git", "-a/b", "a/b-", "a/b@x//y", "é/b", strings.Repeat("a", 97) + "/b"} {
		_, err := ParseRef(text)
		require.ErrorIs(t, err, ErrRef, text)
		require.NotContains(t, err.Error(), "\x1b")
	}
}

func TestTheEnvironmentIsReadAsPythonReadsIt(t *testing.T) {
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing":                 {nil, home + "/.cache/huggingface/hub"},
		"XDG_CACHE_HOME":          {map[string]string{"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"},
		"HF_HOME":                 {map[string]string{"XDG_CACHE_HOME": "/x", "HF_HOME": "/h"}, "/h/hub"},
		"HF_HOME with ~":          {map[string]string{"HF_HOME": "~/h"}, home + "/h/hub"},
		"HF_HOME with a variable": {map[string]string{"D": "/d", "HF_HOME": "$D/${D}/$NOPE"}, "/d/d/$NOPE/hub"},
		"HUGGINGFACE_HUB_CACHE":   {map[string]string{"HF_HOME": "/h", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"},
		"HF_HUB_CACHE":            {map[string]string{"HF_HOME": "/h", "HF_HUB_CACHE": "/c", "HUGGINGFACE_HUB_CACHE": "/old"}, "/c"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range test.env {
				t.Setenv(k, v)
			}
			c, err := New(Options{})
			require.NoError(t, err)
			require.Equal(t, test.want, c.Cache())
			require.Equal(t, defaultEndpoint, c.Endpoint())
		})
	}
	for value, want := range map[string]bool{"1": true, "true": true, "YES": true, "on": true, "0": false, "": false, "no": false} {
		t.Setenv("HF_HUB_OFFLINE", value)
		c, err := New(Options{})
		require.NoError(t, err)
		require.Equal(t, want, c.Offline(), value)
	}
	for _, bad := range []string{"hub.example", "ftp://hub.example", "http://", "http://me:secret@hub.example", "http://hub.example?x=secret"} {
		t.Setenv("HF_ENDPOINT", bad)
		_, err := New(Options{})
		require.ErrorContains(t, err, "HF_ENDPOINT", bad)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestTheTokenIsFound(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HF_HOME", dir)
	got := func() string {
		c, err := New(Options{})
		require.NoError(t, err)
		return c.token
	}
	require.Empty(t, got())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte("hf_file\n"), 0o600))
	require.Equal(t, "hf_file", got())
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, []byte(" hf_other\r\n"), 0o600))
	t.Setenv("HF_TOKEN_PATH", other)
	require.Equal(t, "hf_other", got())
	t.Setenv("HF_TOKEN", "hf_env\n")
	require.Equal(t, "hf_env", got())
	t.Setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
	require.Empty(t, got())
}
