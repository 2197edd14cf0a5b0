package auto_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// What ranks have comes to all, however much it is and however unlike; an error of one is an error of all, which names it,
// and ends nothing.
func TestAnExchangeGivesAllToAll(t *testing.T) {
	has := [][]byte{nil, bytes.Repeat([]byte("one "), 1<<20+1), []byte("2")}
	failed := errors.New("no room")
	modeltest.OnRanks(t, 3, func(r *model.Ranks) error {
		own := has[r.Rank()]
		got := make([][]byte, 3)
		err := r.ExchangeParts([][]byte{own[:len(own)/3], own[len(own)/3:]}, nil, func(rank int, data []byte) { got[rank] = append(got[rank], data...) })
		require.NoError(t, err)
		got[r.Rank()] = own
		for rank := range has {
			require.True(t, bytes.Equal(has[rank], got[rank]), "rank %d of rank %d", r.Rank(), rank)
		}
		var wrong error
		if r.Rank() == 1 {
			wrong = failed
		}
		_, err = r.Exchange([]byte("more"), wrong)
		if r.Rank() == 1 {
			require.Equal(t, failed, err)
		} else {
			require.ErrorIs(t, err, model.ErrRanks)
			require.ErrorContains(t, err, "rank 1: no room")
		}
		require.NoError(t, r.Err())
		least, err := r.Least(int64(5 - r.Rank()))
		require.Equal(t, int64(3), least)
		return err
	})
}

// The first rank's answer stops a pass on all of them, and they can go on with another.
func TestTheFirstRankStopsThePassesOfAll(t *testing.T) {
	modeltest.Divided(t, modeltest.Recorded(t, "llama"), 2, auto.Options{}, func(m model.Model) error {
		r, asked := m.Part().Ranks, 0
		r.StopWhen(func() bool { asked++; return r.Rank() == 1 || asked == 3 })
		s := mlx.NewScope(m.Device())
		defer s.Close()
		pass := func() error { return model.Forward(m, model.Tokens(s, []int{3, 4, 5}), nil, nil).Err() }
		require.NoError(t, pass())
		require.NoError(t, pass())
		require.ErrorIs(t, pass(), model.ErrStopped)
		require.NoError(t, r.Err())
		return pass()
	})
}
