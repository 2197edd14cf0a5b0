package model

import (
	"context"
	"encoding/binary"
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
	group Group
	wait  time.Duration
	sent  int64
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

// Sent returns how many bytes this rank has sent to its neighbour.
func (r *Ranks) Sent() int64 { return r.sent }

func (r *Ranks) right() int { return (r.Rank() + 1) % r.Size() }
func (r *Ranks) left() int  { return (r.Rank() + r.Size() - 1) % r.Size() }

// eval computes what goes between ranks, within the bound.
func (r *Ranks) eval(what string, arrays ...*mlx.Array) error {
	late := fmt.Errorf("no rank answered within %s", r.wait)
	ctx, stop := context.WithTimeoutCause(context.Background(), r.wait, late)
	defer stop()
	if err := mlx.Do(ctx, func() error { return mlx.Eval(arrays...) }); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = late
		}
		return fmt.Errorf("%w: rank %d of %d, %s: %w (has another rank ended? what it said last says why)", ErrRanks, r.Rank(), r.Size(), what, err)
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
		return nil, true, err
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

// Exchange gives every rank what each has, by their numbers. An error of one is an error of all, which names it; err is
// this rank's.
func (r *Ranks) Exchange(own []byte, err error) ([][]byte, error) {
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	state := []int32{exchangeMark, int32(len(own)), 0}
	if err != nil {
		own = []byte(err.Error())
		state[1], state[2] = int32(len(own)), 1
	}
	const what = "exchanging with all"
	r.sent += int64(4 * len(state) * (r.Size() - 1))
	all := r.group.AllGather(mlx.FromSlice(scope, state, 1, len(state)))
	if err := r.eval(what, all); err != nil {
		return nil, err
	}
	states, e := mlx.Data[int32](all)
	if e != nil {
		return nil, e
	}
	most := int32(1)
	for i := range r.Size() {
		if states[3*i] != exchangeMark {
			return nil, r.strange(i)
		}
		most = max(most, states[3*i+1])
	}
	padded := make([]byte, most)
	copy(padded, own)
	r.sent += int64(most) * int64(r.Size()-1)
	all = r.group.AllGather(mlx.FromSlice(scope, padded, 1, int(most)))
	if err := r.eval(what, all); err != nil {
		return nil, err
	}
	data, e := mlx.Data[uint8](all)
	if e != nil {
		return nil, e
	}
	out, failed := make([][]byte, r.Size()), []error(nil)
	for i := range out {
		out[i] = data[i*int(most):][:states[3*i+1]]
		if states[3*i+2] != 0 && i != r.Rank() {
			failed = append(failed, fmt.Errorf("%w: rank %d: %s", ErrRanks, i, out[i]))
		}
	}
	if err != nil {
		return nil, err
	}
	return out, errors.Join(failed...)
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
	return fmt.Errorf("%w: rank %d: what rank %d sent begins no message that was to come: do the ranks differ in what they were given?", ErrRanks, r.Rank(), rank)
}

// Greatest returns the greatest of each number over the ranks.
func (r *Ranks) Greatest(own []int64, err error) ([]int64, error) {
	var b []byte
	for _, x := range own {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	all, err := r.Exchange(b, err)
	if err != nil {
		return nil, err
	}
	out := append([]int64(nil), own...)
	for rank, data := range all {
		if len(data) != 8*len(own) {
			return nil, fmt.Errorf("%w: rank %d has %d numbers, and rank %d %d: do they open the same model?", ErrRanks, rank, len(data)/8, r.Rank(), len(own))
		}
		for i := range out {
			out[i] = max(out[i], int64(binary.LittleEndian.Uint64(data[8*i:])))
		}
	}
	return out, nil
}
