package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// trainFlags say how a tuned lens is trained.
type trainFlags struct {
	recipe    string
	change    tuned.TrainOptions // what is given beside the recipe
	site      string
	optimizer string
	inOrder   bool
	half      bool
	name      string
	given     func(flag string) bool
}

func (o *trainFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.recipe, "recipe", "adamw", "where the options come from that are not given: "+strings.Join(tuned.Recipes(), ", "))
	f.StringVar(&o.site, "site", "", "which states are read: resid_post or resid_pre")
	f.IntVar(&o.change.Rank, "rank", 0, "limit W to Up·Down of so many columns (default d_model: W is whole)")
	f.BoolVar(&o.change.BiasOnly, "bias-only", false, "train b alone")
	f.IntVar(&o.change.Steps, "steps", 0, "steps (default 250)")
	f.IntVar(&o.change.Batch, "batch", 0, "sequences in a step (default 8; mlxterp 1)")
	f.StringVar(&o.optimizer, "optimizer", "", "sgd (Nesterov's momentum) or adamw")
	f.Float64Var(&o.change.Rate, "lr", 0, "the learning rate, from which it falls to 0 (default 0.001; tuned-lens 0.1, mlxterp 1)")
	f.Float64Var(&o.change.Momentum, "momentum", 0, "of sgd, and β1 of adamw (default 0.9)")
	f.Float64Var(&o.change.WeightDecay, "weight-decay", 0, "added to the gradient by sgd, apart from it by adamw (default 0.001; mlxterp 0)")
	f.IntVar(&o.change.Warmup, "warmup", 0, "steps in which the learning rate grows from 0")
	f.Float64Var(&o.change.Clip, "clip", 0, "the largest norm of the gradient of all layers (default 1; 0: any)")
	f.Uint64Var(&o.change.Seed, "seed", 0, "draws the order of the sequences and what --rank begins with; of --jacobian the rows of --rows")
	f.BoolVar(&o.inOrder, "in-order", false, "take the sequences in the corpus' order, over and over")
	f.BoolVar(&o.half, "f16", false, "write float16 (.safetensors)")
	f.StringVar(&o.name, "name", "", "what the lens says that its model is called (default as --model has it)")
}

// options are those of the recipe, with what is given in their place.
func (o *trainFlags) options() (tuned.TrainOptions, error) {
	to, err := tuned.Recipe(o.recipe)
	if err != nil {
		return to, usageError{err}
	}
	for flag, set := range map[string]func(){
		"site":         func() { to.Site = model.Site(o.site) },
		"rank":         func() { to.Rank = o.change.Rank },
		"bias-only":    func() { to.BiasOnly = o.change.BiasOnly },
		"steps":        func() { to.Steps = o.change.Steps },
		"batch":        func() { to.Batch = o.change.Batch },
		"optimizer":    func() { to.Optimizer, to.Scaled = tuned.Optimizer(o.optimizer), o.optimizer == string(tuned.AdamW) },
		"lr":           func() { to.Rate = o.change.Rate },
		"momentum":     func() { to.Momentum = o.change.Momentum },
		"weight-decay": func() { to.WeightDecay = o.change.WeightDecay },
		"warmup":       func() { to.Warmup = o.change.Warmup },
		"clip":         func() { to.Clip = o.change.Clip },
		"seed":         func() { to.Seed = o.change.Seed },
		"in-order":     func() { to.Shuffle = !o.inOrder },
	} {
		if o.given(flag) {
			set()
		}
	}
	return to, ofOption(to.Check(), map[string]theFlag{
		"Site": "site", "Rank": "rank", "Steps": "steps", "Batch": "batch", "Optimizer": "optimizer", "Rate": "lr",
		"Momentum": "momentum", "WeightDecay": "weight-decay", "Clip": "clip", "Warmup": "warmup",
	})
}

// ofOption is what is wrong with options, with the flag that gives the one.
func ofOption(err error, flags map[string]theFlag) error {
	var of *lens.OptionError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &of) && flags[of.Option] != "":
		return usagef("%v: %w", flags[of.Option], err)
	}
	return usageError{err}
}

// origin is what the training is of: another is not gone on with.
func (o *trainFlags) origin(s *streams, opened *auto.Opened, c *corpus, to tuned.TrainOptions) (*origin, error) {
	digest, err := s.digest(opened)
	if err != nil {
		return nil, err
	}
	of := &origin{Model: digest, Revision: hubCommit(opened.Info.Ref), Options: map[string]string{
		"--device": opened.Info.Device, "--weights": string(opened.Info.Weights), "--file": c.digest,
	}}
	for flag, value := range map[string]any{
		"--recipe": to.Recipe, "--site": to.Site, "--rank": to.Rank, "--bias-only": to.BiasOnly, "--steps": to.Steps, "--batch": to.Batch,
		"--optimizer": to.Optimizer, "--lr": to.Rate, "--momentum": to.Momentum, "--weight-decay": to.WeightDecay, "--warmup": to.Warmup,
		"--clip": to.Clip, "--seed": to.Seed, "--in-order": !to.Shuffle,
	} {
		of.Options[flag] = fmt.Sprint(value)
	}
	return of, nil
}

// modelName is what a lens calls the model that it was trained for.
func modelName(opened *auto.Opened) string {
	path := opened.Info.Ref
	if at := strings.Index(path, "models--"); at >= 0 { // of the hub's cache
		owner, _, _ := strings.Cut(path[at+len("models--"):], string(filepath.Separator))
		return strings.Replace(owner, "--", "/", 1)
	}
	return filepath.Base(filepath.Clean(path))
}

// training does the steps of a trainer, and keeps what is done.
type training struct {
	keeping
	t      *tuned.Trainer
	steps  int
	layers int // of the model
}

func (r *training) run(ctx context.Context) error {
	if err := r.resume(); err != nil {
		return err
	}
	pace := newPace(r.s, r.quiet, r.steps-len(r.t.Done()))
	for len(r.t.Done()) < r.steps {
		step, err := r.t.Step(ctx)
		if err != nil {
			return err
		}
		pace.step(len(r.t.Done()), r.steps, r.t.Loss(step), step.Tokens)
		if r.due() && len(r.t.Done()) < r.steps {
			if err := r.keep(r.t.WriteState); err != nil {
				return err
			}
		}
	}
	if !r.quiet {
		done := r.t.Done()
		of := ""
		if n := len(done[0].KL); n < r.layers { // a loss is compared with the peers', which have it so
			of = fmt.Sprintf(", %d without a translator among them, 0 each", r.layers-n)
		}
		r.s.say("%s: loss %.4f at the first, %.4f at the last, mean of the KL of %s in nats%s", english.Plural(r.steps, "step", ""),
			r.t.Loss(done[0]), r.t.Loss(done[len(done)-1]), english.Plural(r.layers, "layer", ""), of)
	}
	return nil
}

// resume goes on with what is kept, if it is of this training.
func (r *training) resume() error {
	if _, err := os.Stat(r.path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	of, err := json.Marshal(r.of)
	if err != nil {
		return err
	}
	was, err := r.t.ReadState(r.path, string(of))
	if err != nil {
		return err
	}
	if was != string(of) {
		var before origin
		if err := json.Unmarshal([]byte(was), &before); err != nil {
			return failf("%s is of another training: remove it, or give another --output", r.path)
		}
		why := before.differs(r.of)
		if a, b := before.Options["--file"], r.of.Options["--file"]; a != b {
			why = "it was made with another corpus"
		}
		return failf("%s is of another training: %s: remove it, or give another --output", r.path, why)
	}
	if !r.quiet {
		r.s.say("goes on behind step %d, which %s has", len(r.t.Done()), r.path)
	}
	return nil
}

// finish removes what was kept on the way.
func (r *training) finish() error {
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// pace tells how a training gets on.
type pace struct {
	s      *streams
	rhythm *rhythm // nil: quiet
	left   int     // steps that this run does
	done   int
	tokens int
}

func newPace(s *streams, quiet bool, left int) *pace {
	p := &pace{s: s, left: left}
	if !quiet {
		p.rhythm = newRhythm()
	}
	return p
}

func (p *pace) step(n, of int, loss float64, tokens int) {
	p.done++
	p.tokens += tokens
	if p.rhythm == nil {
		return
	}
	if since, due := p.rhythm.due(); due && p.done < p.left {
		rest := since * time.Duration(p.left-p.done) / time.Duration(p.done)
		p.s.say("step %d of %d: loss %.4f, %.1f tokens/s, about %v left", n, of, loss, float64(p.tokens)/since.Seconds(), rest.Round(time.Second))
	}
}
