package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/serve"
)

// loadRequests are what the clients of the load ask, over and over.
var loadRequests = [][2]string{
	{"tokenize", `{"text":"The capital of France is"}`},
	{"trace", `{"prompt":"The capital of France is","last":true}`},
	{"trace", `{"prompt":"The capital of Italy is","layers":"0:30:10"}`},
	{"generate", `{"prompt":"Once upon","max_tokens":2}`},
	{"attn", `{"prompt":"a b a","heads":"3.1"}`},
	{"trace", `{"prompt":"a","layers":"99"}`},
}

// askLoad sends one of them, and returns the answer without its times.
func askLoad(ctx context.Context, url string, i int) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/"+loadRequests[i][0], strings.NewReader(loadRequests[i][1]))
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

// BenchmarkSixtyFourClients has 64 clients ask a server of SmolLM2 at once: every answer is looked at, and one
// client in 17 leaves before it has an answer. An operation is a request.
func BenchmarkSixtyFourClients(b *testing.B) {
	opened := modeltest.SmolLM2(b)
	s := serve.New(newEngine(&served{opened: opened.Kept()}, ""), serve.Options{})
	server := httptest.NewServer(s.Handler(serve.Door{}))
	defer server.Close()
	var wants []string
	for i := range loadRequests {
		want, err := askLoad(context.Background(), server.URL, i)
		require.NoError(b, err)
		wants = append(wants, want)
	}
	jobs, left := make(chan int), 0
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for k := range jobs {
				i, start := k%len(wants), time.Now()
				if k%17 == 16 {
					brief, leave := context.WithTimeout(context.Background(), 20*time.Millisecond)
					_, err := askLoad(brief, server.URL, i)
					leave()
					mu.Lock()
					if errors.Is(err, context.DeadlineExceeded) {
						left++
					}
					mu.Unlock()
					continue
				}
				got, err := askLoad(context.Background(), server.URL, i)
				if err != nil || got != wants[i] {
					b.Errorf("request %d: %v, %.300s", i, err, got)
				}
				mu.Lock()
				took = append(took, time.Since(start))
				mu.Unlock()
			}
		})
	}
	for k := 0; b.Loop(); k++ {
		jobs <- k
	}
	close(jobs)
	wg.Wait()
	require.NoError(b, s.Stop(context.Background()), "nobody waits or works any more")
	slices.Sort(took)
	for _, part := range []struct {
		of   float64
		name string
	}{{.5, "median-s"}, {.95, "p95-s"}, {.99, "p99-s"}, {1, "longest-s"}} {
		b.ReportMetric(took[int(part.of*float64(len(took)-1))].Seconds(), part.name)
	}
	b.ReportMetric(float64(len(took)), "right-answers")
	b.ReportMetric(float64(left), "left-early")
}
