package gate

import (
	"context"
	"runtime"
	"sync"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// MLX hands out the operations of a graph until some fifty are under way, and then waits for one of
// them before it goes on. Nothing ends that wait, so that in the body of Hold, whose context may end,
// another goroutine does it. When the context ends first, the body gets its error and is done with
// MLX; the gate stays closed until the other goroutine opens it.

// proxy is a goroutine that acts inside the gate for the body of Hold.
type proxy struct {
	mu    sync.Mutex
	done  bool // it has handed out all
	given bool // the body does not wait for it
	left  bool // the body has returned, and leaves the gate to the proxy
}

// acting is the proxy that the body of Hold does not wait for. The body alone uses it.
var acting *proxy

// dispatch calls start, which hands out a flight, inside the gate. When the context of Hold ends
// before start does, its error is returned, and the flight is landed as soon as it has begun.
func dispatch(start func() error, land func()) error {
	if !inside() || until == nil || until.Done() == nil {
		return start()
	}
	computing.Store(true)
	defer computing.Store(false)
	p, result := &proxy{}, make(chan error, 1)
	go func() {
		takeThread()
		err := start()
		result <- err
		given, left := p.finish()
		if left {
			leave()
		} else {
			runtime.UnlockOSThread()
		}
		if given && err == nil {
			land()
		}
	}()
	select {
	case err := <-result:
		capi.EnterGate()
		return err
	case <-until.Done():
		if p.give() {
			acting = p
			return context.Cause(until)
		}
		capi.EnterGate()
		return <-result
	}
}

// finish notes that all is handed out.
func (p *proxy) finish() (given, left bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	return p.given, p.left
}

// give leaves the proxy to itself; false when it has finished.
func (p *proxy) give() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given = !p.done
	return p.given
}

// leaveHold is leave at the end of Hold.
func leaveHold() {
	p := acting
	acting = nil
	if p != nil && p.leave() {
		runtime.UnlockOSThread()
		return
	}
	capi.EnterGate()
	leave()
}

// leave leaves the gate to the proxy; false when it has finished.
func (p *proxy) leave() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = !p.done
	return p.left
}
