package gate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func never() error { return nil }

func TestOneAtATime(t *testing.T) {
	var l turn
	var wg sync.WaitGroup
	count := 0
	for range 32 {
		wg.Go(func() {
			for range 2000 {
				if l.lock(context.Background(), never) == nil {
					count++
					l.unlock()
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 64000, count)
	require.Zero(t, l.waiting.Load())
}

func TestAWaiterIsNotPassedOverForEver(t *testing.T) {
	var l turn
	stop, got := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { // takes the turn again as soon as it is free
			for {
				if l.try() {
					time.Sleep(10 * time.Microsecond)
					l.unlock()
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 20 {
		go func() {
			if l.lock(context.Background(), never) == nil {
				l.unlock()
			}
			got <- struct{}{}
		}()
		<-got
	}
	close(stop)
	wg.Wait()
}

func TestWaitersGiveUp(t *testing.T) {
	var l turn
	require.True(t, l.try())
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	go func() { errs <- l.lock(ctx, never) }()
	cancel()
	require.ErrorIs(t, <-errs, context.Canceled)
	boom := errors.New("boom")
	require.ErrorIs(t, l.lock(context.Background(), func() error { return boom }), boom)
	require.Zero(t, l.waiting.Load())

	// one that gives up while others wait takes nobody's turn away
	var wg sync.WaitGroup
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if i%2 == 0 {
				cancel()
			}
			if l.lock(ctx, never) == nil {
				l.unlock()
			}
			cancel()
		})
	}
	l.unlock()
	wg.Wait()
	require.True(t, l.try())
}

func TestStacksTellWhoMadeWhomAndWhoWaits(t *testing.T) {
	id, state, ok := goroutine("goroutine 18 [chan receive, 2 minutes, locked to thread]:")
	require.True(t, ok)
	require.EqualValues(t, 18, id)
	require.True(t, waits(state))
	_, state, _ = goroutine("goroutine 7 [running]:")
	require.False(t, waits(state))
	_, _, ok = goroutine("created by main.main")
	require.False(t, ok)
	require.True(t, descends(5, 2, map[uint64]uint64{5: 3, 3: 2, 2: 1}))
	require.False(t, descends(5, 4, map[uint64]uint64{5: 3, 3: 2, 2: 1}))
	require.False(t, descends(5, 4, map[uint64]uint64{5: 3, 3: 5}))
}
