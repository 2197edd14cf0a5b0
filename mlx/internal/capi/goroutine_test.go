package capi

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGoroutineIDIsThePrintedOne(t *testing.T) {
	require.NotZero(t, idAt(), "this release of Go keeps it elsewhere, and it has to be printed each time")
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range 10 {
				require.Equal(t, printedID(), GoroutineID())
			}
		})
	}
	wg.Wait()
}
