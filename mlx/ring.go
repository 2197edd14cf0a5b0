package mlx

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// givenUp is whether the process has ended the wait for its ring: MLX keeps the group that came of
// it, and would give it to the next who asks.
var givenUp atomic.Bool

// joinRing calls join, which waits until a neighbour has connected to each of own. When ctx ends
// before, this process connects to itself, so that join comes back.
func joinRing(ctx context.Context, op string, own []string, join func() (*Group, error)) (*Group, error) {
	if givenUp.Load() {
		return nil, newError(op, ErrDevice, "the wait for a ring was ended before, and what MLX has kept of it is none: start the process anew")
	}
	joined, ended := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		givenUp.Store(true)
		for _, address := range own {
			if c := connect(address, joined); c != nil {
				defer c.Close()
			}
		}
		<-joined
	})
	g, err := join()
	for err != nil && ctx.Err() == nil && connectsFirst() && strings.Contains(err.Error(), "Couldn't connect") {
		g, err = join() // MLX has tried for half a minute, and keeps nothing of it
	}
	close(joined)
	if stop() {
		return g, err
	}
	<-ended
	text := ""
	if err != nil {
		text = " (" + err.Error() + ")"
	}
	return nil, fmt.Errorf("mlx: %s: the neighbours of %v in the ring have not come%s: %w", op, own, text, context.Cause(ctx))
}

// connectsFirst reports whether this rank connects to its right neighbour before its left one comes, as odd ones do.
func connectsFirst() bool {
	rank, err := strconv.Atoi(os.Getenv(envRank))
	return err == nil && rank%2 == 1
}

// connect connects to an address, at which nobody may listen yet, until done is closed.
func connect(address string, done <-chan struct{}) net.Conn {
	for {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			return c
		}
		select {
		case <-done:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}
