package capi

import (
	"testing"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"
)

// deep makes the goroutine's stack move: n frames of a kilobyte.
func deep(n int) byte {
	var frame [1 << 10]byte
	if n == 0 {
		return frame[0]
	}
	frame[n] = deep(n - 1)
	return frame[n]
}

// C code may call Go while it is called, and Go's stack, where the frames of calls lie, then
// moves: in a goroutine of its own it begins small.
func TestCallsOutliveAStackThatMoves(t *testing.T) {
	var seen []uintptr
	f := purego.NewCallback(func(h uintptr) uintptr {
		deep(200)
		seen = append(seen, h)
		return 0x7_0000_0000 + h
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		require.EqualValues(t, 1, status1(f, 1)) // the low half
	}()
	<-done
	done = make(chan struct{})
	go func() {
		defer close(done)
		require.EqualValues(t, 0x7_0000_0002, result1(f, 2))
	}()
	<-done
	done = make(chan struct{})
	go func() {
		defer close(done)
		require.EqualValues(t, 3, status8float1(f, 0, 3, 0, 0, 0, 0, 0, 0, 0))
	}()
	<-done
	require.Equal(t, []uintptr{1, 2, 3}, seen)
}

func TestEachHandleIsFreedOnceAndInOrder(t *testing.T) {
	var seen []Array
	f := purego.NewCallback(func(h uintptr) uintptr {
		deep(200)
		seen = append(seen, Array(h))
		return 0
	})
	for _, n := range []int{0, 1, 2, 1000} {
		seen = nil
		hs := make([]Array, n)
		for i := range hs {
			hs[i] = Array(i + 1)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			callEach(f, uintptr(Data(hs)), uintptr(n))
		}()
		<-done
		require.Len(t, seen, n)
		if n > 0 {
			require.Equal(t, hs, seen)
		}
	}
}
