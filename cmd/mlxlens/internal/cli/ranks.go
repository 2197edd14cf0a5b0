package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// rankCommands are the commands that processes run together, each with some layers of a model.
var rankCommands = []string{"trace", "generate", "capture", "patch", "attn", "patchscope", "decompose", "steer", "probe", "serve"}

// rankFlags are those of commands that run on ranks.
type rankFlags struct {
	perRank  string
	rankWait time.Duration
}

func (o *rankFlags) flags(cmd *cobra.Command) {
	o.dealFlag(cmd)
	cmd.Flags().DurationVar(&o.rankWait, "rank-wait", 10*time.Minute, "on ranks, how long one waits for another, which may still read its layers; one that has ended is an error at once")
}

func (o *rankFlags) dealFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.perRank, "layers-per-rank", "", "on ranks, how many layers each holds, such as 10,20 (default by bytes, balanced)")
}

// dealt returns --layers-per-rank as numbers.
func (o *rankFlags) dealt() ([]int, error) {
	if o.perRank == "" {
		return nil, nil
	}
	var out []int
	for text := range strings.SplitSeq(o.perRank, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 {
			return nil, usagef("--layers-per-rank %q: want the number of layers of each rank, such as 10,20", o.perRank)
		}
		out = append(out, n)
	}
	return out, nil
}

// joinWithin bounds the wait for ranks that are not there.
const joinWithin = time.Minute

// ranksAsked says by which backend the environment asks for ranks, as mlx.launch sets it; "" where it
// does not.
func ranksAsked() mlx.Backend {
	has := func(name string) bool { return os.Getenv(name) != "" }
	several, err := strconv.Atoi(os.Getenv("OMPI_COMM_WORLD_SIZE"))
	switch {
	case has("MLX_RANK") && has("MLX_HOSTFILE"):
		return mlx.Ring
	case has("MLX_RANK") && has("MLX_JACCL_COORDINATOR"):
		return mlx.JACCL
	case has("MLX_RANK") && has("NCCL_HOST_IP"):
		return mlx.NCCL
	case err == nil && several > 1:
		return mlx.MPI
	}
	return ""
}

// rankAsked is the number that the environment gives this process among the ranks, 0 where there are none.
func rankAsked() int {
	name := "MLX_RANK"
	switch ranksAsked() {
	case "":
		return 0
	case mlx.MPI:
		name = "OMPI_COMM_WORLD_RANK"
	}
	rank, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return 0 // whoever joins says what is wrong
	}
	return rank
}

// runsOnRanks refuses commands that open a model and do not share it.
func runsOnRanks(cmd *cobra.Command) error {
	flags := cmd.Flags()
	if ranksAsked() == "" || flags.Lookup("model") == nil {
		return nil
	}
	if file := flags.Lookup("shard"); file != nil && file.Changed {
		return usagef("--shard gives each process prompts of its own, and ranks share every prompt: start the parts without ranks")
	}
	if !slices.Contains(rankCommands, cmd.Name()) {
		return usagef("%s does not run on ranks (of those that do: %s): start it in one process, without $MLX_RANK", cmd.CommandPath(), strings.Join(rankCommands, ", "))
	}
	return nil
}

// hush makes all but the first rank quiet: what they print is what the first does.
func (s *streams) hush() {
	if s.rank = rankAsked(); s.rank == 0 || s.served != nil {
		return
	}
	s.out, s.asks = io.Discard, false
	s.watch.note, s.watch.progress = func(string) {}, func(float64) {}
}

// fail tells of an error, on ranks with the number of this one.
func (s *streams) fail(text string) {
	s.watch.note = nil
	if s.served == nil && ranksAsked() != "" {
		text = fmt.Sprintf("rank %d: %s", s.rank, text)
	}
	s.say("%s", text)
}

// join joins the ranks that the environment names; nil where it names none.
func (s *streams) join(wait time.Duration) (*model.Ranks, error) {
	backend := ranksAsked()
	if backend == "" {
		if rank := os.Getenv("MLX_RANK"); rank != "" {
			s.say("MLX_RANK is %s, and nothing says where other ranks are (a ring: MLX_HOSTFILE): this process computes alone", rank)
		}
		return nil, nil
	}
	if s.ranks != nil {
		return nil, usagef("ranks hold one model together, and a second was asked for (--model-b): leave it out, or start one process")
	}
	if wait <= 0 {
		return nil, usagef("--rank-wait %s: want a time, such as 10m", wait)
	}
	if !backend.Available() {
		return nil, failf("the environment asks for ranks by %s, which this MLX library lacks: use a ring (mlx.launch --backend ring), or a library that has it", backend)
	}
	within := min(wait, joinWithin)
	ctx, stop := context.WithTimeoutCause(s.ctx, within, fmt.Errorf("nobody came within %s: do all ranks run, and does each reach the others?", within))
	defer stop()
	group, err := mlx.InitDistributed(ctx, backend, true)
	if err != nil {
		return nil, err
	}
	if group.Size() == 1 {
		return nil, nil
	}
	s.ranks, s.rank = model.NewRanks(group, wait), group.Rank()
	return s.ranks, nil
}

// agreement is what all ranks must have alike.
type agreement struct {
	Version string
	Command []string
	Model   string // digest of what says what the model is
	Device  string
	Ranks   int
}

// alike makes sure that the ranks do the same with the same model; err is what went wrong on this one.
func (s *streams) alike(path, device string, err error) error {
	own := agreement{Version: programVersion(), Command: s.args, Device: device, Ranks: s.ranks.Size()}
	if err == nil {
		own.Model, err = describedBy(path)
	}
	all, err := told(s.ranks, own, err)
	if err != nil {
		return err
	}
	for rank, of := range all {
		if what := all[0].differs(of); what != "" {
			return fmt.Errorf("%w differ: rank %d %s", model.ErrRanks, rank, what)
		}
	}
	return nil
}

// differs says what another rank has that is not as the first has it.
func (a agreement) differs(b agreement) string {
	switch {
	case a.Version != b.Version:
		return fmt.Sprintf("runs version %s, and rank 0 %s", b.Version, a.Version)
	case !slices.Equal(a.Command, b.Command):
		return fmt.Sprintf("was started as %q, and rank 0 as %q", strings.Join(b.Command, " "), strings.Join(a.Command, " "))
	case a.Model != b.Model:
		return "has another model than rank 0: its config, index or tokenizer is another"
	case a.Device != b.Device:
		return fmt.Sprintf("computes on %s, and rank 0 on %s: give both the same --device", b.Device, a.Device)
	case a.Ranks != b.Ranks:
		return fmt.Sprintf("is one of %d, and rank 0 of %d: give all the same host file", b.Ranks, a.Ranks)
	}
	return ""
}

// describedBy is a digest of what says what a model is, which every rank has: of a folder its config,
// its indexes and its tokenizer, of a GGUF file the beginning, and its size. The weights are not read.
func describedBy(path string) (string, error) {
	sum := sha256.New()
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		fmt.Fprintln(sum, info.Size())
		_, err = io.CopyN(sum, f, 1<<20)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return shorter([sha256.Size]byte(sum.Sum(nil))), err
	}
	files, err := filepath.Glob(filepath.Join(path, "*.json"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, filepath.Base(file), len(text))
		sum.Write(text)
	}
	return shorter([sha256.Size]byte(sum.Sum(nil))), nil
}

// openTogether opens a model, on ranks each its part of it: what goes wrong on one, err on this, is an error of
// all.
func (s *streams) openTogether(path string, opts auto.Options, err error) (*auto.Opened, error) {
	if s.ranks == nil {
		if err != nil {
			return nil, err
		}
		return auto.Open(path, opts)
	}
	device := mlx.DefaultDevice()
	if opts.Device != nil {
		device = *opts.Device
	}
	if err := s.alike(path, device.String(), err); err != nil {
		return nil, err
	}
	opened, err := auto.Open(path, opts)
	var form []byte
	if err == nil {
		form = []byte(opened.Info.Weights)
	}
	if errors.Is(err, model.ErrRanks) {
		return nil, err // the others have it already
	}
	all, err := s.ranks.Exchange(form, err)
	for rank, of := range all {
		if err == nil && string(of) != string(all[0]) {
			err = failf("rank %d holds its weights %s, and rank 0 %s, which gives other numbers: give all --weights packed, or more memory", rank, of, all[0])
		}
	}
	if err != nil && opened != nil {
		opened.Close()
		opened = nil
	}
	return opened, err
}

// leave ends this rank's part in what the ranks have done.
func (s *streams) leave() {
	if s.ranks == nil {
		return
	}
	if !s.quiet {
		s.say("%s; this one sent %s to the others", english.Plural(s.ranks.Size(), "rank", ""), humanize.Bytes(uint64(s.ranks.Sent())))
	}
	mlx.FinalizeMPI()
}
