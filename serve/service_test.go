package serve

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gated is an engine that works until it is let go on, or its test has ended, and tells when it has begun. Who waits for it
// where a test ends does so in a cleanup, for what is deferred comes before the test has ended.
func gated(t *testing.T) (run func(ctx context.Context, call Call, answer io.Writer, w Watch) error, begun chan string, goOn chan struct{}) {
	begun, goOn = make(chan string, 100), make(chan struct{})
	return func(ctx context.Context, call Call, answer io.Writer, w Watch) error {
		begun <- call.Args[len(call.Args)-1]
		select {
		case <-goOn:
			return echo(ctx, call, answer, w)
		case <-ctx.Done():
			return ctx.Err()
		case <-t.Context().Done():
			return t.Context().Err()
		}
	}, begun, goOn
}

func request(i int) []byte { return fmt.Appendf(nil, `{"prompt":"%d"}`, i) }

func TestThoseInLineAreToldTheirPlaceAndServedInTurn(t *testing.T) {
	run, begun, goOn := gated(t)
	s := New(&fake{run}, Options{})
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	ask := func(i int, places chan int) {
		wg.Go(func() {
			_, err := s.Run(context.Background(), "trace", request(i), Watch{Queued: func(place int) { places <- place }})
			require.NoError(t, err)
		})
	}
	ask(0, nil)
	require.Equal(t, "0", <-begun)
	places := []chan int{make(chan int, 9), make(chan int, 9)}
	for i, p := range places {
		ask(i+1, p)
		require.Equal(t, i+1, <-p)
	}
	goOn <- struct{}{}
	require.Equal(t, "1", <-begun)
	require.Equal(t, 1, <-places[1], "it has moved up")
	goOn <- struct{}{}
	require.Equal(t, "2", <-begun)
	goOn <- struct{}{}
}

func TestAFullLineRefusesAndWhoLeavesItMakesRoom(t *testing.T) {
	run, begun, goOn := gated(t)
	s := New(&fake{run}, Options{Waiting: 1})
	done := make(chan error, 3)
	first, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _, err := s.Run(first, "trace", request(0), Watch{}); done <- err }()
	<-begun
	second, leave := context.WithCancel(context.Background())
	in := make(chan int, 1)
	go func() {
		_, err := s.Run(second, "trace", request(1), Watch{Queued: func(place int) { in <- place }})
		done <- err
	}()
	<-in
	_, err := s.Run(context.Background(), "trace", request(2), Watch{})
	require.ErrorIs(t, err, errBusy)
	p := s.newProblem(err)
	require.Equal(t, http.StatusServiceUnavailable, p.Status)
	require.GreaterOrEqual(t, p.retry, time.Second)
	leave()
	require.ErrorIs(t, <-done, context.Canceled)
	go func() { _, err := s.Run(context.Background(), "trace", request(3), Watch{}); done <- err }()
	goOn <- struct{}{}
	require.NoError(t, <-done)
	require.Equal(t, "3", <-begun)
	goOn <- struct{}{}
	require.NoError(t, <-done)
	waiting, working := s.queue.length()
	require.Zero(t, waiting)
	require.False(t, working)
}

func TestARequestThatTakesTooLongIsEnded(t *testing.T) {
	run, _, _ := gated(t)
	_, server := started(t, Options{Time: time.Millisecond}, run)
	answer, text := asked(t, server.URL+"/api/v1/trace", `{"prompt":"a"}`)
	require.Equal(t, http.StatusGatewayTimeout, answer.StatusCode)
	require.Contains(t, text, "the request has taken more than its time of 1ms: ask for less at once")
}

func TestAnAnswerHasABound(t *testing.T) {
	_, server := started(t, Options{Answer: 100}, func(_ context.Context, _ Call, answer io.Writer, _ Watch) error {
		_, err := io.WriteString(answer, strings.Repeat("x", 101))
		return err
	})
	answer, text := asked(t, server.URL+"/api/v1/trace", `{"prompt":"a"}`)
	require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode)
	require.Contains(t, text, "larger than the server keeps, 100 bytes")
}

func TestAMistakeOfTheProgramEndsOneRequest(t *testing.T) {
	_, server := started(t, Options{}, func(ctx context.Context, call Call, answer io.Writer, w Watch) error {
		if call.Args[len(call.Args)-1] == "bad" {
			panic("at the worst")
		}
		return echo(ctx, call, answer, w)
	})
	answer, text := asked(t, server.URL+"/api/v1/trace", `{"prompt":"bad"}`)
	require.Equal(t, http.StatusInternalServerError, answer.StatusCode)
	require.Contains(t, text, "the program made a mistake: at the worst")
	answer, _ = asked(t, server.URL+"/api/v1/trace", `{"prompt":"good"}`)
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

func TestStopFinishesWhatIsThereAndLetsNobodyIn(t *testing.T) {
	run, begun, goOn := gated(t)
	s := New(&fake{run}, Options{})
	done := make(chan error, 2)
	go func() { _, err := s.Run(context.Background(), "trace", request(0), Watch{}); done <- err }()
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.Background()) }()
	require.Eventually(t, func() bool {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return s.queue.closed
	}, time.Minute, time.Millisecond)
	_, err := s.Run(context.Background(), "trace", request(1), Watch{})
	require.ErrorIs(t, err, errClosed)
	goOn <- struct{}{}
	require.NoError(t, <-done)
	require.NoError(t, <-stopped)
}

func TestASecondStopEndsWhatRuns(t *testing.T) {
	run, begun, _ := gated(t)
	s := New(&fake{run}, Options{})
	done := make(chan error, 1)
	go func() { _, err := s.Run(context.Background(), "trace", request(0), Watch{}); done <- err }()
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, s.Stop(ctx), context.Canceled)
	require.ErrorIs(t, <-done, errClosed)
}
