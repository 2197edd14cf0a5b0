package capi

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What NVRTC leaves behind: Go's handler, without the flag.
func TestAHandlerThatLostItsSignalStackGetsItBack(t *testing.T) {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR2)
	defer signal.Stop(got)
	var before, lost, after sigaction
	require.Zero(t, setAction(uintptr(syscall.SIGUSR2), nil, &before))
	require.NotZero(t, before.flags&onStack, "Go's handlers run on a signal stack")
	lost = before
	lost.flags &^= onStack
	require.Zero(t, setAction(uintptr(syscall.SIGUSR2), &lost, nil))
	KeepSignalStacks()
	require.Zero(t, setAction(uintptr(syscall.SIGUSR2), nil, &after))
	require.Equal(t, before, after)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGUSR2))
	require.Equal(t, syscall.SIGUSR2, <-got)
}

func TestSignalsWithoutAHandlerStayWithoutOne(t *testing.T) {
	var before, after [lastSignal + 1]sigaction
	for s := range before {
		setAction(uintptr(s), nil, &before[s])
	}
	KeepSignalStacks()
	for s := range after {
		setAction(uintptr(s), nil, &after[s])
	}
	require.Equal(t, before, after)
}
