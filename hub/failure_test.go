package hub

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/internal/hubtest"
	"github.com/stretchr/testify/require"
)

// failingPull is a hub that a pull fails with.
type failingPull struct {
	server func(*hubtest.Server)
	ref    Ref
	is     []error
	says   []string
}

// changed changes what the hub has of the model.
func changed(change func(*hubtest.Repo)) func(*hubtest.Server) {
	return func(s *hubtest.Server) { change(s.Repos[repoName]) }
}

// onFile answers for the first shard.
func onFile(f func(http.ResponseWriter, *http.Request)) func(*hubtest.Server) {
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

// onAPI answers for the listing of the model.
func onAPI(f func(http.ResponseWriter)) func(*hubtest.Server) {
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

var refusedModels = map[string]failingPull{
	"a name that is not there": {
		ref: Ref{Owner: "someone", Name: "nmae", Revision: ""}, is: []error{ErrNotFound, ErrUnauthorized},
		says: []string{`there is no model "someone/nmae"`, "check the spelling", "HF_TOKEN"},
	},
	"a name that is not there, told by 404": {
		server: onAPI(func(w http.ResponseWriter) { w.WriteHeader(404) }),
		is:     []error{ErrNotFound}, says: []string{`there is no model "someone/tiny"`, "404"},
	},
	"a revision that is not there": {
		ref: Ref{Owner: "someone", Name: "tiny", Revision: "v9"}, is: []error{ErrNotFound}, says: []string{`someone/tiny has no revision "v9"`},
	},
	"a gated model": {
		server: changed(func(r *hubtest.Repo) { r.Gated = "hf_good" }), is: []error{ErrUnauthorized},
		says: []string{"gated: accept its licence at http", "someone/tiny, then set HF_TOKEN"},
	},
	"a token that is not accepted": {
		server: onAPI(func(w http.ResponseWriter) {
			w.Header().Set("X-Error-Message", "Invalid credentials in Authorization header")
			w.WriteHeader(401)
		}),
		is: []error{ErrUnauthorized}, says: []string{"does not accept the token"},
	},
}

var wrongListings = map[string]failingPull{
	"a listing that is a web page": {
		server: onAPI(func(w http.ResponseWriter) { io.WriteString(w, "<html>log in to the Wi-Fi") }),
		is:     []error{ErrProtocol}, says: []string{"not the hub's JSON", "check HF_ENDPOINT"},
	},
	"a listing without a commit": {
		server: onAPI(func(w http.ResponseWriter) { io.WriteString(w, `{"sha": "../../x", "siblings": []}`) }),
		is:     []error{ErrProtocol}, says: []string{`the commit "../../x"`},
	},
	"a path that leaves the folder": {
		server: changed(func(r *hubtest.Repo) { r.Files["../evil.json"] = []byte("{}") }),
		is:     []error{ErrProtocol}, says: []string{`lists a file "../evil.json"`},
	},
	"an absolute path": {
		server: changed(func(r *hubtest.Repo) { r.Files["/etc/evil.json"] = []byte("{}") }),
		is:     []error{ErrProtocol}, says: []string{`lists a file "/etc/evil.json"`},
	},
	"a path with a control character": {
		server: changed(func(r *hubtest.Repo) { r.Files["a\x1b[2J.json"] = []byte("{}") }),
		is:     []error{ErrProtocol}, says: []string{`\x1b`},
	},
	"an etag that is a path": {
		server: onAPI(func(w http.ResponseWriter) {
			fmt.Fprintf(w, `{"sha": %q, "siblings": [{"rfilename": "config.json", "size": 1, "blobId": "../x"}, {"rfilename": "model.safetensors", "size": 1, "blobId": "y"}]}`, commit1)
		}),
		is: []error{ErrProtocol}, says: []string{`the etag "../x"`},
	},
	"a model in GGUF": {
		server: changed(func(r *hubtest.Repo) {
			r.Files = map[string][]byte{"config.json": []byte("{}"), "tiny.Q4_0.gguf": []byte("GGUF")}
		}),
		is: []error{ErrNoWeights}, says: []string{"tiny.Q4_0.gguf", "/someone/tiny/resolve/main/tiny.Q4_0.gguf and give its path"},
	},
	"a shard that the index promises and the hub does not list": {
		server: changed(func(r *hubtest.Repo) { delete(r.Files, shard2) }),
		is:     []error{ErrProtocol}, says: []string{"does not list " + shard2},
	},
}

var wrongFiles = map[string]failingPull{
	"a file that is listed and gone": {
		server: onFile(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }),
		is:     []error{ErrNotFound}, says: []string{shard1, "lists this file and does not have it"},
	},
	"content that is wrong each time": {
		server: onFile(func(w http.ResponseWriter, _ *http.Request) { w.Write(content(77, len(shard1File))) }),
		is:     []error{ErrChecksum}, says: []string{shard1, "has the hash", hubtest.ETag(shard1, shard1File)[:12]},
	},
	"a size that is smaller than listed": {
		server: onFile(func(w http.ResponseWriter, _ *http.Request) { w.Write(shard1File[:1000]) }),
		is:     []error{ErrChecksum}, says: []string{"the server has 1000 bytes of it and the hub lists 3145728"},
	},
	"a body that does not end": {
		server: onFile(func(w http.ResponseWriter, r *http.Request) {
			for range 5 {
				if _, err := w.Write(shard1File); err != nil {
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
					w.Header().Set("Content-Length", fmt.Sprint(len(shard1File)))
					w.Write(shard1File[:1<<20])
					http.NewResponseController(w).Flush()
					hangUp(w)
				default:
					w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-%d/%d", len(shard1File)-1, len(shard1File)))
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
		is:     []error{ErrProtocol}, says: []string{"hub: someone/tiny: " + shard1 + ": more than 10 redirects: check HF_ENDPOINT"},
	},
}

func TestPullFails(t *testing.T) {
	t.Parallel()
	for _, tests := range []map[string]failingPull{refusedModels, wrongListings, wrongFiles} {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test.check(t)
			})
		}
	}
}

func (f failingPull) check(t *testing.T) {
	s := serve(t)
	if f.server != nil {
		f.server(s)
	}
	if f.ref == (Ref{}) {
		f.ref = ref
	}
	c := client(t, s)
	_, err := c.Pull(t.Context(), f.ref, PullOptions{})
	require.Error(t, err)
	for _, kind := range f.is {
		require.ErrorIs(t, err, kind)
	}
	for _, text := range f.says {
		require.ErrorContains(t, err, text)
	}
	require.True(t, strings.HasPrefix(err.Error(), "hub: "), err.Error())
	require.NotContains(t, err.Error(), "\x1b")
	_, err = c.Find(f.ref)
	require.ErrorIs(t, err, ErrNotCached, "what failed is no model")
	evil, _ := filepath.Glob(filepath.Join(filepath.Dir(c.Cache()), "evil*"))
	require.Empty(t, evil)
}

func TestAServerThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	s.Close()
	_, err := c.Pull(t.Context(), ref, PullOptions{})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "connection refused; gave up after 3 attempts") // one fewer than a server that fails is given
}

func TestARedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
