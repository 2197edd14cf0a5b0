package cli

import (
	"runtime/debug"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/mlx"
)

// memoryFlags bound the memory of the process.
type memoryFlags struct {
	maxMemory string
}

func (o *memoryFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.maxMemory, "max-memory", "", "work in smaller parts to stay within so much memory, such as 2GiB")
}

// memory returns --max-memory in bytes, 0 when it is not given.
func (o *memoryFlags) memory() (int64, error) {
	if o.maxMemory == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(o.maxMemory)
	if err != nil || n == 0 || n > 1<<50 {
		return 0, usagef("--max-memory %q: want a size such as 2GiB or 1500MB", o.maxMemory)
	}
	return int64(n), nil
}

// limit bounds what o opens, before it is opened: weights are held packed, or refused, where
// they would not fit.
func (o *memoryFlags) limit(m *modelOptions) error {
	most, err := o.memory()
	if err == nil && most > 0 {
		m.most = most - most/20 // as bound
		debug.SetGCPercent(20)  // the collector's own room counts too
	}
	return err
}

// bound returns what --max-memory leaves to MLX's arrays and the results, 0 without it.
// On ranks it is the least that it leaves to any: they divide the work alike.
func (o *memoryFlags) bound(s *streams) (int64, error) {
	most, err := o.memory()
	if err != nil || most == 0 {
		return 0, err
	}
	// what the process takes beside: the program, its libraries, the tokenizer
	mlx.ReturnFreedMemory()
	debug.FreeOSMemory()
	beside := max(0, mlx.ProcessMemory()-int64(mlx.ActiveMemory()))
	left, err := s.ranks.Least(most - most/20 - beside) // a twentieth for the collector, and for what malloc cannot give back
	if err == nil && left <= 0 {
		err = failf("--max-memory %s: the program, its libraries and what is loaded take %s and leave nothing to compute in: allow more",
			o.maxMemory, humanize.Bytes(uint64(max(beside, most-left))))
	}
	return left, err
}
