package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mlxlens/mlxlens/internal/rooms"
	"github.com/mlxlens/mlxlens/serve"
)

// A server on ranks: the first one listens, and tells the others of each request, which all then run as the command that
// it is. Between requests they meet now and then, so that one that is gone is known of.

// rankRequests are the commands of requests that ranks run together.
var rankRequests = []string{"info", "tokenize", "trace", "generate", "patch", "attn", "capture", "patchscope", "decompose", "steer"}

// idleTick is how often ranks meet that have nothing to do. Who waits for others looks again and again, and takes a core:
// so those that follow sleep until shortly before.
const (
	idleTick  = 200 * time.Millisecond
	idleSleep = idleTick - 20*time.Millisecond
)

// errand is what the first rank tells the others: a request, nothing, or that it was all.
type errand struct {
	Call *serve.Call
	End  bool
}

// onRanks serves, with the other ranks where there are some.
func (e *engine) onRanks(ctx context.Context, s *streams, serve func(ctx context.Context) error) error {
	if s.ranks == nil {
		return serve(ctx)
	}
	e.ranks, e.rank = s.ranks, s.rank
	ctx, end := context.WithCancel(ctx)
	idle, stop := context.WithCancel(ctx)
	lost := make(chan error, 1)
	go func() {
		lost <- e.meet(idle)
		end() // nothing can be answered without the others
	}()
	err := serve(ctx)
	stop()
	if gone := <-lost; gone != nil {
		return gone
	}
	_, told := told(e.ranks, errand{End: true}, nil)
	return cmp.Or(err, told)
}

// meet lets the ranks meet until ctx ends.
func (e *engine) meet(ctx context.Context) error {
	for tick := time.NewTicker(idleTick); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
		e.telling.Lock()
		_, err := told(e.ranks, errand{}, nil)
		e.telling.Unlock()
		if err != nil {
			tick.Stop()
			return err
		}
	}
}

// lead runs a request on all ranks. The end of ctx stops them all before a pass of the model.
func (e *engine) lead(ctx context.Context, call serve.Call, answer io.Writer, w serve.Watch) error {
	if name := call.Args[0]; !slices.Contains(rankRequests, name) {
		return &serve.Refusal{Err: usagef("%s does not run on ranks (of those that do: %s): start the server in one process", name, strings.Join(rankRequests, ", "))}
	}
	e.telling.Lock()
	defer e.telling.Unlock()
	if _, err := told(e.ranks, errand{Call: &call}, nil); err != nil {
		return err
	}
	e.ranks.StopWhen(func() bool { return ctx.Err() != nil })
	steady := &steadyWriter{w: answer}
	err := e.run(context.WithoutCancel(ctx), call, steady, w)
	return cmp.Or(e.ended(err), err, steady.err)
}

// ended tells the ranks whether a request has failed on this one, and returns the error of another where it has not.
func (e *engine) ended(err error) error {
	said := ""
	if err != nil {
		said = rooms.Text(err)
	}
	all, gone := told(e.ranks, said, nil)
	if gone != nil {
		return gone
	}
	for rank, text := range all {
		if err == nil && text != "" {
			return fmt.Errorf("rank %d: %s", rank, text)
		}
	}
	return nil
}

// steadyWriter takes what is written after an error too, so that a request ends on all ranks at the same place.
type steadyWriter struct {
	w   io.Writer
	err error
}

func (s *steadyWriter) Write(p []byte) (int, error) {
	if s.err == nil {
		_, s.err = s.w.Write(p)
	}
	return len(p), nil
}

// runFollower runs what the first rank is asked for, and answers nobody. A signal is the first one's to hear.
func runFollower(ctx context.Context, s *streams, o *serveOptions) error {
	v, done, err := o.openAll(s)
	if err != nil {
		return err
	}
	defer done()
	stops(ctx)
	e := newEngine(v, o.maxMemory)
	e.ranks, e.rank = s.ranks, s.rank
	e.ranks.StopWhen(func() bool { return false }) // the first one knows
	for {
		all, err := told(e.ranks, errand{}, nil)
		if err != nil {
			return err
		}
		switch errand := all[0]; {
		case errand.End:
			return nil
		case errand.Call == nil:
			time.Sleep(idleSleep)
		default:
			_ = e.ended(e.run(ctx, *errand.Call, io.Discard, serve.Watch{})) // the first one has it, and the next round what ended the ranks
		}
	}
}
