package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

// editFlags change what flows through the model.
type editFlags struct {
	edits []string
	any   bool // unembedding
}

func (o *editFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.edits, "edit", nil, "an `EDIT` of what passes a site: SITE[@POSITIONS][/KEYS][#HEADS]=OP[:ARG] (repeatable; see mlxlens help edits)")
	cmd.Flags().BoolVar(&o.any, "edit-any-unembedding", false, "accept, in an edit, a lens of a model with another unembedding")
}

// editor reads the edits of prompts, and what they name.
type editor struct {
	ctx    context.Context
	s      *streams
	opened *auto.Opened
	prompt *promptOptions
	at     encoded               // the prompt at hand
	means  map[string]edit.Value // over files, by place and file

	any        bool                  // unembedding
	quiet      bool                  // nothing is told of edits
	directions map[string]edit.Value // of tokens, by place and argument
}

func newEditor(ctx context.Context, s *streams, opened *auto.Opened, prompt *promptOptions, of *editFlags, quiet bool) *editor {
	return &editor{ctx: ctx, s: s, opened: opened, prompt: prompt, means: map[string]edit.Value{}, any: of.any, quiet: quiet, directions: map[string]edit.Value{}}
}

// parse reads edits of a prompt.
func (e *editor) parse(texts []string, at encoded) ([]edit.Edit, error) {
	e.at = at
	if e.any && !slices.ContainsFunc(texts, namesLens) {
		return nil, usagef("--edit-any-unembedding is of the lens of an edit, and none names one, such as layers.9.resid_post=steer:FILE:TOKEN")
	}
	var edits []edit.Edit
	for _, text := range texts {
		resolved, err := at.turns.inEdit(text)
		if err != nil {
			return nil, usageError{err}
		}
		one, err := edit.Parse(resolved, e.opened.Model, len(at.ids), e)
		if damaged := (*states.FileError)(nil); errors.As(err, &damaged) {
			return nil, err
		}
		if err != nil {
			return nil, usageError{err}
		}
		for _, path := range filesOfEdit(resolved) {
			e.s.depends(path, "")
		}
		one.Text = text
		if caution := one.Caution(); caution != "" && !e.quiet {
			e.s.say("%s", caution)
		}
		edits = append(edits, one)
	}
	if len(edits) == 0 || !slices.ContainsFunc(edits, func(one edit.Edit) bool { return !one.Measured() }) {
		return edits, nil
	}
	return states.Measure(e.ctx, e.opened.Model, edit.Input{IDs: at.ids, Edits: edits})
}

// featureArg is a dictionary and the number of a feature: DIR#1234.
var featureArg = regexp.MustCompile(`^(.+)#([0-9]+)$`)

// feature is the direction of a dictionary's feature, which is of the place that it reconstructs.
func (e *editor) feature(path, number string, at model.Place) (edit.Value, error) {
	a, err := openSparse(e.s, path)
	if err != nil {
		return edit.Value{}, &states.FileError{Err: err}
	}
	defer a.Close()
	tellModel(e.s, e.opened, a)
	n, err := strconv.Atoi(number)
	if err != nil {
		return edit.Value{}, fmt.Errorf("%q is no number of a feature", number)
	}
	if err := a.Reconstructs(e.opened.Model, at); err != nil {
		return edit.Value{}, err
	}
	x, err := a.Direction(n)
	if err != nil {
		return edit.Value{}, err
	}
	v := edit.Vector(x)
	if sizes := e.opened.Model.Shape().In(at.Layer).Sizes(at.Site); len(sizes) > 1 {
		v.Shape = sizes
	}
	return v, nil
}

// Value reads numbers, of a file or as written, or directions: those of tokens, or of a dictionary's feature.
func (e *editor) Value(arg string, at model.Place) (edit.Value, error) {
	if states.Written(arg) {
		return states.ReadValue(arg, at)
	}
	if path, tokens, ok := tokenDirections(arg); ok {
		return e.ofTokens(path, tokens, at)
	}
	if parts := featureArg.FindStringSubmatch(arg); parts != nil {
		return e.feature(parts[1], parts[2], at)
	}
	if states.ValueFile(arg) == "" {
		return edit.Value{}, noValue(arg)
	}
	if err := e.read(states.ValueFile(arg)); err != nil {
		return edit.Value{}, err
	}
	v, err := states.ReadValue(arg, at)
	if err != nil {
		return v, err
	}
	return v, e.sameModel(states.ValueFile(arg))
}

// noValue says what is wrong with an argument that names no numbers and no directions.
func noValue(arg string) error {
	if at := strings.LastIndexByte(arg, '#'); at > 0 {
		return fmt.Errorf("%q behind %q is no number of a feature: want one, from 0 on, such as %s#7, and an edit for each", arg[at+1:], arg[:at]+"#", arg[:at])
	}
	if strings.ContainsRune(arg, '*') {
		return fmt.Errorf("%q names no numbers and no directions: *FACTOR, a number, stands behind what add, steer and swaps take, and behind no other", arg)
	}
	return fmt.Errorf("%q names no numbers and no directions: want a file .npy, .npz or .safetensors, with :NAME or @POSITIONS behind it or without; "+
		"tokens, \"TEXT\" or <ID>, with LENS: before them or without; or a feature of a dictionary, DIR#NUMBER", arg)
}

// sameModel refuses vectors of another model, where their file says which it is of.
func (e *editor) sameModel(path string) error {
	m, err := states.FileMetadata(path)
	if err != nil {
		return err
	}
	was, says := m[states.ModelDigest]
	if !says {
		return nil
	}
	is, err := e.s.digest(e.opened)
	if err != nil || was == is {
		return err
	}
	return fmt.Errorf("%s is of another model, %s (%s), and this is %s (%s): make one of this model", path, m["model"], was, e.opened.Info.Ref, is)
}

// read refuses a file that is the output's.
func (e *editor) read(path string) error {
	return e.s.reads(path, "what an edit reads")
}

// Mean averages what passes a place in runs without edits: over the prompt, over some of its
// positions, or over all positions of a file of prompts.
func (e *editor) Mean(arg string, at model.Place) (edit.Value, error) {
	positions, some := strings.CutPrefix(arg, "@")
	if arg != "" && !some {
		return e.meanOfFile(arg, at)
	}
	in := edit.Input{IDs: e.at.ids}
	if some {
		positions, err := e.at.turns.resolve(positions)
		if err != nil {
			return edit.Value{}, err
		}
		if in.Positions, err = model.ParseIndices(positions, len(e.at.ids), "position"); err != nil {
			return edit.Value{}, err
		}
	}
	return states.Mean(e.ctx, e.opened.Model, []edit.Input{in}, at)
}

func (e *editor) meanOfFile(name string, at model.Place) (edit.Value, error) {
	if ext := strings.ToLower(filepath.Ext(name)); ext != ".txt" && ext != ".jsonl" {
		return edit.Value{}, fmt.Errorf("mean over %q: want a file of prompts, .txt or .jsonl, or positions such as mean:@0:4", name)
	}
	if err := e.read(name); err != nil {
		return edit.Value{}, err
	}
	key := at.String() + " " + name
	if v, ok := e.means[key]; ok {
		return v, nil
	}
	f, err := openPrompts(name)
	if err != nil {
		return edit.Value{}, fileError("mean over %q: want a file of prompts, or positions such as mean:@0:4: %w", name, err)
	}
	defer f.Close()
	prompts, err := readTasks(name, f, parseTask)
	if err != nil {
		return edit.Value{}, fileError("%w", err)
	}
	each := *e.prompt
	each.chat, each.conversation = each.chat || each.conversation != nil, nil
	var inputs []edit.Input
	for _, t := range prompts.tasks {
		in := edit.Input{}
		if t.err == nil {
			var at encoded
			at, t.err = each.encode(e.opened, t.prompt, t.ids)
			in.IDs = at.ids
		}
		if t.err != nil {
			return edit.Value{}, fileError("mean over %q: line %d: %w", name, t.line, t.err)
		}
		inputs = append(inputs, in)
	}
	v, err := states.Mean(e.ctx, e.opened.Model, inputs, at)
	if err == nil {
		e.means[key] = v
	}
	return v, err
}

// fileError is the error of a file of prompts that an edit names.
func fileError(format string, args ...any) error {
	return &states.FileError{Err: fmt.Errorf(format, args...)}
}
