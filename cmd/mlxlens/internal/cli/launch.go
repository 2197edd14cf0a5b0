package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	provenance "github.com/mlxlens/mlxlens/internal/origin"
)

type launchOptions struct {
	ranks int
	args  []string
}

// mostRanks bounds the processes that launch starts on one machine.
const mostRanks = 64

func newLaunchCmd(s *streams) *cobra.Command {
	o := &launchOptions{}
	cmd := &cobra.Command{
		Use:   "launch -n N [--] command…",
		Short: "Run a command on several processes of this machine, each with some layers",
		Long: `Launch starts a command of mlxlens N times on this machine, as ranks that hold the
model together: each reads some of its layers, with the head, and hidden states go from
one to the next by MLX's ring (TCP, here on loopback). The first one prints; of the others
only errors are shown, with their number. When one fails or is ended, all end, and launch
with the exit code of the first that failed.

Several processes of one machine take more memory than one, not less: this is to try what
mlx.launch starts on several machines, with the same command behind its host file:

  mlx.launch --hostfile hosts.json mlxlens trace "The capital of France is"

These commands run on ranks: trace, generate, capture, patch, attn, patchscope, decompose,
steer, probe and serve. What of them does not says so. A prompt or file "-" is read here and
given to all. docs/larger.md has the rest.`,
		Example: `  mlxlens launch -n 2 trace "The capital of France is"
  mlxlens launch -n 3 -- generate "The capital of France is" -n 8
  mlxlens launch -n 2 trace "The capital of France is" --layers-per-rank 10,20 --last
  mlxlens launch -n 2 patch "The capital of France is" "The capital of Italy is" --layers 10:20
  mlxlens launch -n 2 serve`,
		Args: wantArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return runLaunch(cmd.Context(), s, o)
		},
	}
	cmd.Flags().SetInterspersed(false) // the flags behind the command are its own
	cmd.Flags().IntVarP(&o.ranks, "ranks", "n", 2, "how many processes, 2 or more")
	return cmd
}

// runLaunch starts the ranks, and ends them all when one has failed.
func runLaunch(ctx context.Context, s *streams, o *launchOptions) error {
	switch {
	case o.ranks < 2 || o.ranks > mostRanks:
		return usagef("--ranks %d: want 2 to %d", o.ranks, mostRanks)
	case ranksAsked() != "":
		return usagef("launch starts ranks, and this process is one of some already: leave launch out")
	case !slices.Contains(rankCommands, o.args[0]):
		return usagef("%q does not run on ranks (of those that do: %v)", o.args[0], rankCommands)
	}
	program := provenance.Program()
	if program == "" {
		return provenance.ProgramError()
	}
	hosts, drop, err := loopback(o.ranks)
	if err != nil {
		return err
	}
	defer drop()
	var input []byte
	if readsStdin(o.args) {
		if input, err = io.ReadAll(s.in); err != nil {
			return err
		}
	}
	asked := stops(ctx) // a signal ends the ranks first
	ended := make(chan endedRank, o.ranks)
	var all []*exec.Cmd
	errs := &together{w: s.err}
	for rank := range o.ranks {
		c := exec.Command(program, o.args...)
		c.Env = append(os.Environ(), "MLX_HOSTFILE="+hosts, "MLX_RANK="+strconv.Itoa(rank))
		c.Stdin, c.Stderr = bytes.NewReader(input), errs
		if rank == 0 {
			c.Stdout, c.Stderr = s.out, s.err
			if file, ok := s.out.(*checkedWriter); ok {
				c.Stdout = file.Writer
			}
		}
		if err := c.Start(); err != nil {
			endAll(all, os.Kill)
			return err
		}
		all = append(all, c)
		go func() { ended <- endedRank{rank, c.Wait()} }()
	}
	return awaitRanks(all, ended, asked)
}

// readsStdin reports whether a command line reads stdin: a prompt or a file that is called -. An output that is called so
// is written.
func readsStdin(args []string) bool {
	for i, arg := range args {
		flag, value, named := strings.Cut(arg, "=")
		if !named && i > 0 {
			flag, value = args[i-1], arg
		}
		if (value == "-" || arg == "-") && flag != "-o" && flag != "--output" {
			return true
		}
	}
	return false
}

// endedRank is a rank that has ended, and how.
type endedRank struct {
	rank int
	err  error
}

// afterOne is how long the others have to end by themselves, and say why, once one has failed.
const afterOne = 10 * time.Second

// awaitRanks waits for all ranks. The first that fails is told of.
func awaitRanks(all []*exec.Cmd, ended <-chan endedRank, asked <-chan struct{}) error {
	var failed error
	var late <-chan time.Time
	for left := len(all); left > 0; {
		select {
		case e := <-ended:
			left--
			if e.err != nil && failed == nil {
				failed, late = &rankError{e.rank, e.err}, time.After(afterOne)
			}
		case <-late:
			endAll(all, os.Kill)
			late = nil
		case <-asked:
			endAll(all, syscall.SIGTERM)
			failed, late, asked = fmt.Errorf("a signal ended the ranks: %w", context.Canceled), time.After(afterOne), nil
		}
	}
	return failed
}

// endAll sends a signal to processes; those that have ended do not mind.
func endAll(all []*exec.Cmd, signal os.Signal) {
	for _, c := range all {
		_ = c.Process.Signal(signal)
	}
}

// rankError is how the first rank that failed has ended.
type rankError struct {
	rank int
	err  error
}

func (e *rankError) Error() string { return fmt.Sprintf("rank %d ended: %v", e.rank, e.err) }

func (e *rankError) Unwrap() error { return e.err }

// spoke reports whether the rank has said itself what is wrong: no signal ended it.
func (e *rankError) spoke() bool {
	var exit *exec.ExitError
	return errors.As(e.err, &exit) && exit.ExitCode() > 0
}

// code is the exit code of the rank, that of a failure where a signal ended it.
func (e *rankError) code() int {
	var exit *exec.ExitError
	if errors.As(e.err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode()
	}
	return exitFailed
}

// together lets several processes write to one place.
type together struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *together) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(p)
}

// loopback writes a host file of so many ranks on free ports of this machine, and returns what to call when they have
// ended.
func loopback(ranks int) (file string, drop func(), err error) {
	var hosts [][]string
	for range ranks {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", nil, err
		}
		defer l.Close() // all at once, so that no port comes twice
		hosts = append(hosts, []string{l.Addr().String()})
	}
	f, err := os.CreateTemp("", "mlxlens-hosts-*.json")
	if err != nil {
		return "", nil, err
	}
	drop = func() { _ = os.Remove(f.Name()) }
	if err := errors.Join(json.NewEncoder(f).Encode(hosts), f.Close()); err != nil {
		drop()
		return "", nil, err
	}
	return f.Name(), drop, nil
}
