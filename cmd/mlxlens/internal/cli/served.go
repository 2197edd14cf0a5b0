package cli

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

// A watch follows a command. Any of its functions may be nil.
type watch struct {
	note     func(text string)
	progress func(done float64)
	part     func(columns *lens.Grid)
	words    func(text string) // what is printed without --json
}

// served are the models of a server, and the files that its requests may name: those that it was
// started with, and no others.
type served struct {
	opened      *auto.Opened // kept, as all here: who runs a command closes nothing
	others      map[string]*auto.Opened
	lenses      map[string]lens.Translator // on opened
	lensDigests map[string]string          // of their files, when they were opened
	vectors     []string                   // files that edits may read, and folders of such

	asOpened []string // flags, beside its name, with which opened was opened
}

// model is the one that is called so; "" is the first.
func (v *served) model(ref string) (*auto.Opened, error) {
	if ref == "" || ref == v.opened.Info.Ref {
		return v.opened, nil
	}
	if other, ok := v.others[ref]; ok {
		return other, nil
	}
	have := append([]string{v.opened.Info.Ref}, slices.Sorted(maps.Keys(v.others))...)
	return nil, usagef("the server has no model %q (have: %s): start it with %v and this one", ref, strings.Join(have, ", "), startedWith("model-b"))
}

// has reports whether the server was started with a file, or with the folder that it stands in: a folder that was given
// stands for the files in it, and not for folders. Paths are compared as they are written, so that nothing is looked up
// which was not given.
func (v *served) has(path string) bool {
	name := filepath.Base(path)
	return slices.ContainsFunc(v.vectors, func(given string) bool {
		return path == given || name != ".." && path == filepath.Join(given, name) && isFolder(given) && !isFolder(path)
	})
}

// reads refuses files that the server was not started with.
func (v *served) reads(path, what string) error {
	if v.has(path) {
		return nil
	}
	have := "none"
	if len(v.vectors) > 0 {
		have = strings.Join(v.vectors, ", ")
	}
	return usagef("%q, %s: the server reads only files that it was started with (have: %s): start it with %v and this one", path, what, have, startedWith("vectors"))
}

// lens is the one of a file that the server has opened.
func (v *served) lens(o *lensFlags, on *auto.Opened) (lens.Translator, error) {
	t, ok := v.lenses[o.path]
	flag := cmp.Or(o.flag, "lens")
	if ok && on != v.opened {
		return nil, usagef("%v %q is of the model %s, and reads no other", flag, o.path, v.opened.Info.Ref)
	}
	if ok {
		return t, nil
	}
	have, more := []string{logitLens, embeddingLens, negatedLens}, ""
	if o.flag == mapFlag {
		have = []string{negatedLens}
	}
	have = append(have, slices.Sorted(maps.Keys(v.lenses))...)
	if o.rows {
		have, more = append(have, v.dictionaries()...), ", a dictionary with "+startedWith("vectors").String()
	}
	return nil, usagef("%v %q: the server has no such lens (have: %s): start it with %v and this one%s", flag, o.path, strings.Join(have, ", "), startedWith("lens"), more)
}

// dictionaries are those that the server was started with.
func (v *served) dictionaries() []string {
	return slices.DeleteFunc(slices.Clone(v.vectors), func(path string) bool { return !isSparse(path) })
}

// servedOptions are the flags of what a server has open, and of what a request may take.
type servedOptions struct {
	modelOptions
	memoryFlags
	lenses  []string
	vectors []string
	modelsB []string
	waiting int
	maxTime time.Duration
}

func (o *servedOptions) flags(cmd *cobra.Command) {
	o.modelOptions.flags(cmd)
	o.memoryFlags.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&o.lenses, "lens", nil, "a lens that requests may name (repeatable)")
	f.StringArrayVar(&o.vectors, "vectors", nil, "a file that edits of requests may read, or a folder of such: vectors, states or a dictionary, whose rows trace has too (repeatable)")
	f.StringArrayVar(&o.modelsB, "model-b", nil, "a second model, for compare (repeatable)")
	f.IntVar(&o.waiting, "queue", 64, "requests that may wait in line")
	f.DurationVar(&o.maxTime, "max-time", 10*time.Minute, "how long a request may be computed")
}

// checkFlags finds what is wrong before a model is opened.
func (o *servedOptions) checkFlags() error {
	switch {
	case o.waiting < 1:
		return usagef("--queue %d: want 1 or more", o.waiting)
	case o.maxTime <= 0:
		return usagef("--max-time %v: want more than 0", o.maxTime)
	}
	return o.limit(&o.modelOptions)
}

// openAll opens what requests may name, until done is called.
func (o *servedOptions) openAll(s *streams) (v *served, done func(), err error) {
	var ends []func()
	closeAll := func() {
		for i := range ends {
			ends[len(ends)-1-i]()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	opened, err := o.open(s, false)
	if err != nil {
		return nil, nil, err
	}
	ends = append(ends, opened.Close)
	v = &served{opened: opened.Kept(), others: map[string]*auto.Opened{}, lenses: map[string]lens.Translator{}, lensDigests: map[string]string{}, vectors: o.vectors, asOpened: o.asGiven()}
	for _, ref := range o.modelsB {
		second := o.modelOptions
		second.ref = ref
		other, err := second.open(s, false)
		if err != nil {
			return nil, nil, err
		}
		ends = append(ends, other.Close)
		v.others[ref] = other.Kept()
	}
	for _, path := range o.lenses {
		if dir, ok := namesSparse(path); ok {
			return nil, nil, usagef("--lens %s is a dictionary: requests name what was given with --vectors %s, as a row of trace beside a lens (DIR or DIR#FEATURE) and in edits (OP:DIR#FEATURE); its features are what the command features shows, which a server has not", path, dir)
		}
		t, err := (&lensFlags{path: path}).open(s, opened)
		if err != nil {
			return nil, nil, err
		}
		ends = append(ends, t.Close)
		v.lenses[path] = t
		if v.lensDigests[path], err = lensDigest(path); err != nil {
			return nil, nil, err
		}
	}
	if err := s.sameInput(o.originOfFiles); err != nil {
		return nil, nil, err
	}
	for _, path := range o.vectors {
		if _, err := os.Stat(path); err != nil {
			return nil, nil, failf("--vectors: %w", err)
		}
	}
	return v, closeAll, nil
}

// originOfFiles adds the options that name files, with the digests of these.
func (o *servedOptions) originOfFiles(options map[string]string) error {
	for _, path := range o.vectors {
		sum, err := pathDigest(path)
		if err != nil {
			return err
		}
		options[path] = sum
	}
	return originOfLenses("--lens", o.lenses, options)
}
