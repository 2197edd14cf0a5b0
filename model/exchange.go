package model

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// Exchange gives every rank what each has, by their numbers. An error of one is an error of all, which names it; err is
// this rank's.
func (r *Ranks) Exchange(own []byte, err error) ([][]byte, error) {
	out := make([][]byte, r.Size())
	out[r.Rank()] = own
	err = r.ExchangeParts([][]byte{own}, err, func(rank int, data []byte) { out[rank] = append(out[rank], data...) })
	return out, err
}

// ExchangeAs is Exchange of values of a type, as package gob writes them.
func ExchangeAs[T any](r *Ranks, own T, err error) ([]T, error) {
	var text bytes.Buffer
	if err == nil {
		err = gob.NewEncoder(&text).Encode(own)
	}
	all, err := r.Exchange(text.Bytes(), err)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(all))
	for rank, data := range all {
		if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&out[rank]); err != nil {
			return nil, fmt.Errorf("model: what rank %d sent cannot be read: %w: do all run the same version?", rank, err)
		}
	}
	return out, nil
}

// exchangeBytes is how many bytes of each rank go round at once, so that an exchange of much takes little beside it.
const exchangeBytes = 4 << 20

// ExchangeParts is Exchange for much: what this rank has is given in parts, and what another has comes piece by piece, in
// order, to got.
func (r *Ranks) ExchangeParts(own [][]byte, err error, got func(rank int, data []byte)) error {
	said := err
	if err != nil {
		own = [][]byte{[]byte(err.Error())}
	}
	sizes, failures, err := r.announce(own, err != nil)
	if err != nil {
		return err
	}
	failed := make([][]byte, r.Size())
	rest := bytesOf(own)
	for at, most := int64(0), slices.Max(sizes); at < most; at += exchangeBytes {
		width := int(min(exchangeBytes, most-at))
		padded := make([]byte, width)
		_, _ = io.ReadFull(rest, padded) // whose end is padding
		data, err := r.gather(padded)
		if err != nil {
			return err
		}
		for rank := range sizes {
			piece := data[rank*width:][:max(0, min(int64(width), sizes[rank]-at))]
			switch {
			case failures[rank]:
				failed[rank] = append(failed[rank], piece...)
			case rank != r.Rank():
				got(rank, piece)
			}
		}
	}
	if said != nil {
		return said
	}
	var all []error
	for rank, text := range failed {
		if failures[rank] {
			all = append(all, fmt.Errorf("%w: rank %d: %s", ErrRanks, rank, text))
		}
	}
	return errors.Join(all...)
}

// bytesOf reads parts as one.
func bytesOf(parts [][]byte) io.Reader {
	var all []io.Reader
	for _, p := range parts {
		all = append(all, bytes.NewReader(p))
	}
	return io.MultiReader(all...)
}

// announce says how many bytes come, and whether they are of an error, and returns it of every rank.
func (r *Ranks) announce(own [][]byte, failed bool) (sizes []int64, failures []bool, err error) {
	n := 0
	for _, p := range own {
		n += len(p)
	}
	state := binary.LittleEndian.AppendUint32(nil, exchangeMark)
	state = binary.LittleEndian.AppendUint64(state, uint64(n))
	state = binary.LittleEndian.AppendUint32(state, 0)
	if failed {
		state[12] = 1
	}
	state = append(state, make([]byte, 4*headerWords-len(state))...) // who waits for a stream reads as many, and sees what it is
	all, err := r.gather(state)
	if err != nil {
		return nil, nil, err
	}
	for rank := range r.Size() {
		of := all[rank*len(state):]
		if binary.LittleEndian.Uint32(of) != exchangeMark {
			return nil, nil, r.strange(rank)
		}
		sizes, failures = append(sizes, int64(binary.LittleEndian.Uint64(of[4:]))), append(failures, of[12] != 0)
	}
	return sizes, failures, nil
}

// gather joins bytes of the ranks, as many of each, in their order.
func (r *Ranks) gather(own []byte) ([]byte, error) {
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	r.sent += int64(len(own)) * int64(r.Size()-1)
	all := r.group.AllGather(mlx.FromSlice(scope, own, 1, len(own)))
	if err := r.eval("exchanging with all", all); err != nil {
		return nil, err
	}
	return mlx.Data[uint8](all)
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

// Least returns the least of a number over the ranks, the number itself where there are none.
func (r *Ranks) Least(own int64) (int64, error) {
	if r.Size() == 1 {
		return own, nil
	}
	most, err := r.Greatest([]int64{-own}, nil)
	if err != nil {
		return 0, err
	}
	return -most[0], nil
}
