package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/serve"
)

// envLoad is how long the clients of the load test ask, such as 60s.
const envLoad = "MLXLENS_SERVE_LOAD"

// crowd asks a server the same things over and over.
type crowd struct {
	t        *testing.T
	url      string
	wants    []string // the answers, by the number of the request
	mu       sync.Mutex
	took     []time.Duration
	answered atomic.Int64
	left     atomic.Int64
}

var loadRequests = [][2]string{
	{"tokenize", `{"text":"The capital of France is"}`},
	{"trace", `{"prompt":"The capital of France is","last":true}`},
	{"trace", `{"prompt":"The capital of Italy is","layers":"0:30:10"}`},
	{"generate", `{"prompt":"Once upon","max_tokens":2}`},
	{"attn", `{"prompt":"a b a","heads":"3.1"}`},
	{"trace", `{"prompt":"a","layers":"99"}`},
}

// ask sends a request, and returns the answer without its times.
func (l *crowd) ask(ctx context.Context, i int) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+"/api/v1/"+loadRequests[i][0], strings.NewReader(loadRequests[i][1]))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return unlike.ReplaceAllString(string(text), ""), err
}

// client asks until the time is over; now and then it leaves before it has an answer.
func (l *crowd) client(ctx context.Context, number int) {
	for k := number; ctx.Err() == nil; k++ {
		i := k % len(loadRequests)
		if k%17 == 16 {
			brief, leave := context.WithTimeout(context.Background(), 20*time.Millisecond)
			if _, err := l.ask(brief, i); errors.Is(err, context.DeadlineExceeded) {
				l.left.Add(1)
			}
			leave()
			continue
		}
		start := time.Now()
		got, err := l.ask(context.Background(), i)
		if err != nil || got != l.wants[i] {
			l.t.Errorf("client %d, request %d: %v, %.300s", number, i, err, got)
			return
		}
		l.answered.Add(1)
		l.mu.Lock()
		l.took = append(l.took, time.Since(start))
		l.mu.Unlock()
	}
}

func TestSixtyFourClientsForAWhile(t *testing.T) {
	if os.Getenv(envLoad) == "" {
		t.Skip("it takes a minute: make serve-load")
	}
	long, err := time.ParseDuration(os.Getenv(envLoad))
	require.NoError(t, err)
	opened := modeltest.SmolLM2(t)
	s := serve.New(newEngine(&served{opened: opened.Kept()}, ""), serve.Options{})
	server := httptest.NewServer(s.Handler(serve.Door{}))
	defer server.Close()
	l := &crowd{t: t, url: server.URL}
	for i := range loadRequests {
		want, err := l.ask(context.Background(), i)
		require.NoError(t, err)
		l.wants = append(l.wants, want)
	}
	ctx, stop := context.WithTimeout(context.Background(), long)
	defer stop()
	var wg sync.WaitGroup
	for number := range 64 {
		wg.Go(func() { l.client(ctx, number) })
	}
	wg.Wait()
	require.NoError(t, s.Stop(context.Background()), "nobody waits or works any more")
	slices.Sort(l.took)
	at := func(part float64) time.Duration { return l.took[int(part*float64(len(l.took)-1))].Round(time.Millisecond) }
	t.Logf("%d answers, all right; %d clients left early; latency: median %v, 95 %% %v, 99 %% %v, longest %v", l.answered.Load(), l.left.Load(), at(.5), at(.95), at(.99), at(1))
}
