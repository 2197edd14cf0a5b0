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

// errStopped is the end of a command that was asked to stop and has shown what was done.
var errStopped error = stopError("interrupted: what was done is written, and the rest is not there")

type stopError string

func (e stopError) Error() string { return string(e) }

func (stopError) Unwrap() error { return context.Canceled }

// orStopped is the end of a command whose result may lack what was not computed any more.
func orStopped(err error, interrupted bool) error {
	if err == nil && interrupted {
		return errStopped
	}
	return err
}

// untilAsked is stops for work that goes on for a while after it is asked, which is told then.
// A signal ends ranks at once.
func (s *streams) untilAsked(ctx context.Context) <-chan struct{} {
	if s.ranks != nil {
		return nil
	}
	asked := stops(ctx)
	if asked != nil {
		go func() {
			select {
			case <-asked:
				s.say("stopping: what is under way is finished, and what is done is written; a second signal ends at once")
			case <-ctx.Done():
			}
		}()
	}
	return asked
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
