package model

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
)

// Ranks are processes that hold a model together, each some of its layers. They do the same with it at
// the same time: what one computes the next goes on with, and where one fails all do.
//
// What goes from one to another has a header before it, so that ranks that differ in what they do end in
// an error. It is sent on the CPU's stream, wherever it was computed.
type Ranks struct {
	group  Group
	wait   time.Duration
	sent   int64
	broken error // what ended their way together; nil: nothing
	asked  func() bool
}

// Group is how ranks reach each other, as [mlx.Group] does it.
type Group interface {
	Rank() int
	Size() int
	Send(x *mlx.Array, to int) *mlx.Array
	Recv(s *mlx.Scope, from int, d mlx.Dtype, shape ...int) *mlx.Array
	AllGather(x *mlx.Array) *mlx.Array
}

// ErrRanks is what errors of other ranks, and of the way to them, wrap.
var ErrRanks = errors.New("the ranks")

// NewRanks returns those of a group. wait bounds how long one waits for another, such as for a model
// that is read from a slow disk; one that has ended is an error at once.
func NewRanks(g Group, wait time.Duration) *Ranks { return &Ranks{group: g, wait: wait} }

// Rank returns the number of this one, from 0.
func (r *Ranks) Rank() int {
	if r == nil {
		return 0
	}
	return r.group.Rank()
}

// Size returns how many there are, 1 of nil.
func (r *Ranks) Size() int {
	if r == nil {
		return 1
	}
	return r.group.Size()
}

// Err returns what has ended the ranks' work together: one is gone, or has failed where others wait for what it would have
// sent. Nothing goes between them after that. What an [Ranks.Exchange] tells all of ends nothing.
func (r *Ranks) Err() error {
	if r == nil {
		return nil
	}
	return r.broken
}

// end keeps the first error that ends the work together.
func (r *Ranks) end(err error) error {
	if r.broken == nil {
		r.broken = err
	}
	return err
}

// Sent returns how many bytes this rank has sent to its neighbour.
func (r *Ranks) Sent() int64 { return r.sent }

func (r *Ranks) right() int { return (r.Rank() + 1) % r.Size() }
func (r *Ranks) left() int  { return (r.Rank() + r.Size() - 1) % r.Size() }

// eval computes what goes between ranks, within the bound.
func (r *Ranks) eval(what string, arrays ...*mlx.Array) error {
	if r.broken != nil {
		return r.broken
	}
	late := fmt.Errorf("no rank answered within %s", r.wait)
	ctx, stop := context.WithTimeoutCause(context.Background(), r.wait, late)
	defer stop()
	if err := mlx.Do(ctx, func() error { return mlx.Eval(arrays...) }); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = late
		}
		return r.end(fmt.Errorf("%w: rank %d of %d, %s: %w (has another rank ended? what it said last says why)", ErrRanks, r.Rank(), r.Size(), what, err))
	}
	return nil
}

// What a header says: which message it begins, the type and the shape of an array, or how many bytes
// of an error follow.
const (
	headerMark  = 0x6d6c7831
	headerWords = 8

	exchangeMark = 0x6d6c7832 // what begins an exchange
	numberMark   = 0x6d6c7833 // and a single number

	kindStream = 1
	kindError  = 2
)

// ErrStopped is the end of work that [Ranks.StopWhen] has stopped.
var ErrStopped = fmt.Errorf("the ranks were asked to stop: %w", context.Canceled)

// StopWhen makes every pass begin with the question whether the work is to go on, which all ranks must ask. The first one's
// answer is everyone's: so a pass is made by all, or is [ErrStopped] of all, and they can begin something else. Nil: nobody
// asks any more.
func (r *Ranks) StopWhen(asked func() bool) { r.asked = asked }

// goOn asks it.
func (r *Ranks) goOn() error {
	if r.asked == nil {
		return nil
	}
	stop := int64(0)
	if r.Rank() == 0 && r.asked() {
		stop = 1
	}
	stop, err := r.First(stop)
	if err == nil && stop != 0 {
		err = ErrStopped
	}
	return err
}

// send sends an array to the next rank, or err in place of it.
func (r *Ranks) send(x *mlx.Array, err error) error {
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	header := [headerWords]int32{headerMark, kindStream}
	if err != nil {
		text := []byte(err.Error())
		header[1], header[3] = kindError, int32(len(text))
		x = mlx.FromSlice(scope, text, len(text))
	} else {
		header[2], header[3] = int32(x.Dtype()), int32(len(x.Shape()))
		for i, d := range x.Shape() {
			header[4+i] = int32(d)
		}
	}
	r.sent += 4*headerWords + int64(x.Size()*x.Dtype().Size())
	if err := r.eval("sending to the next", r.group.Send(mlx.FromSlice(scope, header[:], headerWords), r.right())); err != nil {
		return err
	}
	return r.eval("sending to the next", r.group.Send(mlx.Contiguous(scope.Hold(x)), r.right()))
}

// receive returns what the rank before has sent, in scope; an error that it has sent is [ErrRanks], and comes
// with passOn.
func (r *Ranks) receive(scope *mlx.Scope, shape []int) (x *mlx.Array, passOn bool, err error) {
	cpu := mlx.NewScope(mlx.CPU)
	defer cpu.Close()
	const what = "waiting for the one before"
	head := r.group.Recv(cpu, r.left(), mlx.Int32, headerWords)
	if err := r.eval(what, head); err != nil {
		return nil, false, err
	}
	header, err := mlx.Data[int32](head)
	if err != nil {
		return nil, false, err
	}
	switch {
	case header[0] != headerMark:
		return nil, false, r.strange(r.left())
	case header[1] == kindError:
		text := r.group.Recv(cpu, r.left(), mlx.Uint8, int(header[3]))
		if err := r.eval(what, text); err != nil {
			return nil, false, err
		}
		said, err := mlx.Data[uint8](text)
		if err == nil {
			err = fmt.Errorf("%w: %s", ErrRanks, said)
		}
		return nil, true, err // which whoever passes it on ends with
	}
	var of []int
	for _, d := range header[4 : 4+min(max(header[3], 0), 4)] {
		of = append(of, int(d))
	}
	if fmt.Sprint(of) != fmt.Sprint(shape) {
		return nil, true, fmt.Errorf("%w: rank %d: a stream of %v comes from rank %d, where this one computes %v: the ranks differ in what they were given", ErrRanks, r.Rank(), of, r.left(), shape)
	}
	x = r.group.Recv(cpu, r.left(), mlx.Dtype(header[2]), of...)
	if err := r.eval(what, x); err != nil {
		return nil, false, err
	}
	return scope.Hold(x), false, nil
}

// First returns the first rank's number, so that all go on with the same where theirs may differ by a rounding.
func (r *Ranks) First(x int64) (int64, error) {
	if r.Size() == 1 {
		return x, nil
	}
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	own := []int32{numberMark, int32(x), int32(x >> 32)}
	if r.Rank() > 0 {
		got := r.group.Recv(scope, r.left(), mlx.Int32, len(own))
		err := r.eval("waiting for the first one's choice", got)
		if err == nil {
			own, err = mlx.Data[int32](got)
		}
		if err != nil {
			return 0, err
		}
		if own[0] != numberMark {
			return 0, r.strange(r.left())
		}
	}
	if r.right() != 0 {
		r.sent += int64(4 * len(own))
		if err := r.eval("passing the first one's choice on", r.group.Send(mlx.FromSlice(scope, own, len(own)), r.right())); err != nil {
			return 0, err
		}
	}
	return int64(uint32(own[1])) | int64(own[2])<<32, nil
}

// strange is the error of what another rank sent, which is not what this one waits for.
func (r *Ranks) strange(rank int) error {
	return r.end(fmt.Errorf("%w: rank %d: what rank %d sent begins no message that was to come: do the ranks differ in what they were given?", ErrRanks, r.Rank(), rank))
}
