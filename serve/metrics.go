package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// buckets of durations, in seconds: Prometheus' own, and two for long runs.
var buckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600}

// metrics count what was asked and what came of it.
type metrics struct {
	mu       sync.Mutex
	requests map[[2]string]int64 // by command and outcome
	seconds  histogram           // from request to answer
	working  time.Duration       // in which something was computed
	runs     int64
	refused  map[string]int64 // at the door, by reason
}

type histogram struct {
	counts []int64 // by bucket, not cumulative
	count  int64
	sum    float64
}

func newMetrics() *metrics {
	return &metrics{requests: map[[2]string]int64{}, refused: map[string]int64{}, seconds: histogram{counts: make([]int64, len(buckets))}}
}

// outcome is an error in a word.
func outcome(err error) string {
	var refusal *Refusal
	var p *panicked
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refusal):
		return "refused"
	case errors.Is(err, errBusy):
		return "busy"
	case errors.Is(err, errClosed):
		return "stopping"
	case errors.Is(err, errTime):
		return "time"
	case errors.Is(err, context.Canceled):
		return "left"
	case errors.As(err, &p):
		return "panic"
	}
	return "failed"
}

func (m *metrics) done(command string, err error, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[[2]string{command, outcome(err)}]++
	m.seconds.count++
	m.seconds.sum += took.Seconds()
	for i, limit := range buckets {
		if took.Seconds() <= limit {
			m.seconds.counts[i]++
			break
		}
	}
}

func (m *metrics) worked(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.working += took
	m.runs++
}

func (m *metrics) turnedAway(reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[reason]++
}

// mean is how long a run has taken.
func (m *metrics) mean() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.working / time.Duration(max(1, m.runs))
}

// write writes the text format of Prometheus, version 0.0.4.
func (m *metrics) write(w io.Writer, waiting int, working bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	head := func(name, kind, help string) {
		fmt.Fprintf(w, "# HELP mlxlens_%s %s\n# TYPE mlxlens_%s %s\n", name, help, name, kind)
	}
	head("requests_total", "counter", "Requests for a command, by what came of them.")
	keys := slices.SortedFunc(maps.Keys(m.requests), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, k := range keys {
		fmt.Fprintf(w, "mlxlens_requests_total{command=%q,outcome=%q} %d\n", k[0], k[1], m.requests[k])
	}
	head("turned_away_total", "counter", "Requests that were not let in, by the reason.")
	for _, k := range slices.Sorted(maps.Keys(m.refused)) {
		fmt.Fprintf(w, "mlxlens_turned_away_total{reason=%q} %d\n", k, m.refused[k])
	}
	head("request_seconds", "histogram", "Time from a request to its answer, waiting included.")
	sum := int64(0)
	for i, limit := range buckets {
		sum += m.seconds.counts[i]
		fmt.Fprintf(w, "mlxlens_request_seconds_bucket{le=\"%g\"} %d\n", limit, sum)
	}
	fmt.Fprintf(w, "mlxlens_request_seconds_bucket{le=\"+Inf\"} %d\nmlxlens_request_seconds_sum %g\nmlxlens_request_seconds_count %d\n", m.seconds.count, m.seconds.sum, m.seconds.count)
	head("working_seconds_total", "counter", "Time in which a request was computed.")
	fmt.Fprintf(w, "mlxlens_working_seconds_total %g\n", m.working.Seconds())
	head("waiting", "gauge", "Requests in line.")
	fmt.Fprintf(w, "mlxlens_waiting %d\n", waiting)
	head("working", "gauge", "Requests that are computed now.")
	fmt.Fprintf(w, "mlxlens_working %d\n", map[bool]int{true: 1}[working])
}
