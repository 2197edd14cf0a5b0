package hub

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/internal/hubtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// misbehaviour answers the n-th request for a file, from 1, or leaves it to the server.
type misbehaviour func(n int, w http.ResponseWriter, r *http.Request) bool

var shard1File = model().Files[shard1]

// promiseHalf promises the whole file and sends half of it.
func promiseHalf(w http.ResponseWriter) {
	w.Header().Set("Content-Length", fmt.Sprint(len(shard1File)))
	w.Write(shard1File[:len(shard1File)/2])
	http.NewResponseController(w).Flush()
}

// brokenConnections end, or bring nothing, before the file is there.
var brokenConnections = map[string]misbehaviour{
	"a drop in the body": func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			return false
		}
		promiseHalf(w)
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
			w.Write(shard1File[:len(shard1File)/2])
			http.NewResponseController(w).Flush() // chunked: no length is promised
		}
		return n == 1
	},
	"a stall": func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			return false
		}
		promiseHalf(w)
		<-r.Context().Done()
		return true
	},
	"a stall before the answer": func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			<-r.Context().Done()
		}
		return n == 1
	},
}

// wrongAnswers are whole, and not the file.
var wrongAnswers = map[string]misbehaviour{
	"a Range that is ignored": func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			promiseHalf(w)
			hangUp(w)
		} else {
			w.Header().Set("Content-Length", fmt.Sprint(len(shard1File)))
			w.Write(shard1File)
		}
		return true
	},
	"a Range that is refused": func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 1:
			promiseHalf(w)
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
			w.Write(content(77, len(shard1File)))
		}
		return n == 1
	},
}

func TestPullSurvives(t *testing.T) {
	t.Parallel()
	for _, misbehaviours := range []map[string]misbehaviour{brokenConnections, wrongAnswers} {
		for name, misbehave := range misbehaviours {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				survives(t, name, misbehave)
			})
		}
	}
}

func survives(t *testing.T, name string, misbehave misbehaviour) {
	s := serve(t)
	var n atomic.Int32
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		return resolves(r, shard1) && misbehave(int(n.Add(1)), w, r)
	})
	c := client(t, s, func(o *Options) {
		if strings.HasPrefix(name, "a stall") {
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
}

// firstAnswer makes s promise the whole first shard at its first request, send some bytes of it,
// and do what then does. It returns how often the file was asked for.
func firstAnswer(s *hubtest.Server, bytes int, then func(http.ResponseWriter, *http.Request)) *atomic.Int32 {
	n := &atomic.Int32{}
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !resolves(r, shard1) || n.Add(1) > 1 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(shard1File)))
		w.Write(shard1File[:bytes])
		http.NewResponseController(w).Flush()
		then(w, r)
		return true
	})
	return n
}

func TestADropIsResumedByRange(t *testing.T) {
	t.Parallel()
	s := serve(t)
	firstAnswer(s, 1<<20, func(w http.ResponseWriter, _ *http.Request) { hangUp(w) })
	whole(t, pull(t, client(t, s)), model())
	var ranges []string
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, shard1) {
			ranges = append(ranges, r.Range)
		}
	}
	require.Equal(t, []string{"", "bytes=1048576-"}, ranges)
}

func TestASignatureThatEndedIsRenewed(t *testing.T) {
	t.Parallel()
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

func TestCancelEndsAtOnceAndTheNextPullGoesOn(t *testing.T) {
	t.Parallel()
	s := serve(t)
	file := s.Repos[repoName].Files[shard1]
	asked := firstAnswer(s, 2<<20, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := client(t, s, func(o *Options) { o.Stall = time.Hour }) // nothing but the end of ctx ends the wait
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.Pull(ctx, ref, PullOptions{Progress: func(e Event) {
		if e.Kind == Advanced && e.File.Name == shard1 && e.Done >= 2<<20 {
			cancel()
		}
		assert.NotEqual(t, Retrying, e.Kind)
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 1, asked.Load(), "the file is not asked for again")
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
	var ranges []string // a request stands in the log when it has ended, the one that was left maybe last
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, shard1) {
			ranges = append(ranges, r.Range)
		}
	}
	require.Contains(t, ranges, fmt.Sprintf("bytes=%d-", info.Size()))
	require.NoFileExists(t, left)
}

func TestAnIncompleteFileThatIsDamagedIsFetchedAgain(t *testing.T) {
	t.Parallel()
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

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
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
	c := client(t, s)
	var waited []time.Duration
	c.after = func(d time.Duration) <-chan time.Time {
		waited = append(waited, d)
		return time.After(0)
	}
	pull(t, c)
	require.Equal(t, []time.Duration{time.Second}, waited)
}
