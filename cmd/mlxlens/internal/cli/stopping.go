package cli

import (
	"context"
	"sync"
)

// stopping is how a command that is asked to stop by a signal may finish what it is doing. The first
// signal asks; the next one ends the process.
type stopping struct {
	mu    sync.Mutex
	taken bool
	asked chan struct{}
}

type stoppingKey struct{}

// stops returns a channel that is closed when the command is asked to stop. Without a call a signal ends
// the process at once.
func stops(ctx context.Context) <-chan struct{} {
	s, ok := ctx.Value(stoppingKey{}).(*stopping)
	if !ok {
		return nil // no process, and no signals
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = true
	return s.asked
}

// take asks the command to stop; false when it does not listen, or has been asked.
func (s *stopping) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.taken {
		return false
	}
	s.taken = false
	close(s.asked)
	return true
}
