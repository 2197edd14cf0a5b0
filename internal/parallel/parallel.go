// Package parallel spreads a loop over the cores.
package parallel

import (
	"runtime"
	"sync"
)

// For calls f for 0 … n−1 on all cores, in contiguous ranges.
func For(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				f(i)
			}
		})
	}
	wg.Wait()
}
