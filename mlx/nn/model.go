package nn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
)

// Model is a module seen as a tree of parameters, of which some may be frozen.
//
// A module is a pointer to a struct. Its parameters are its exported fields of type
// *mlx.Array that are not nil, and those of the modules in its exported fields, slices and
// maps. A field's name in a path is its own in lower case with underscores, or what its tag
// says: nn:"name"; nn:"-" leaves it out; nn:",fixed" keeps it from training, as BatchNorm's
// running statistics are. What is reached on two ways has the path of the first.
//
// The tree is read anew at each call, so that modules may be exchanged. One goroutine uses a
// model at a time.
type Model struct {
	module any
	frozen map[string]bool
}

// NewModel returns the tree of a module, with nothing frozen.
func NewModel(module any) *Model { return &Model{module: module, frozen: map[string]bool{}} }

// slots returns the places of the arrays with these roles.
func (m *Model) slots(keep func(slot) bool) ([]slot, error) {
	w, err := walked(m.module)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(w.slots, func(s slot) bool { return !keep(s) }), nil
}

func anyRole(slot) bool      { return true }
func inFiles(s slot) bool    { return s.role != hidden }
func notLearned(s slot) bool { return s.role != learned }

// trains reports whether a gradient is taken to s: MLX has none of integers.
func (m *Model) trains(s slot) bool {
	return s.role == learned && !m.frozen[s.path] && (s.get().Dtype().IsFloat() || errOf(s.get()) != nil)
}

func (m *Model) params(keep func(slot) bool) Params {
	slots, err := m.slots(keep)
	if err != nil {
		return Params{"": mlx.Failed("parameters", err)}
	}
	out := make(Params, len(slots))
	for _, s := range slots {
		out[s.path] = s.get()
	}
	return out
}

// Err returns why the module is none, nil if it is one.
func (m *Model) Err() error {
	_, err := walked(m.module)
	return err
}

// Parameters returns the arrays of the module that belong in a file, the module's own: an
// optimizer frees those that it replaces.
func (m *Model) Parameters() Params { return m.params(inFiles) }

// Trainable returns the parameters that are floating, not fixed and not frozen.
func (m *Model) Trainable() Params { return m.params(m.trains) }

// Freeze keeps the parameters at the paths, or under them, from training; without paths, all.
func (m *Model) Freeze(paths ...string) error { return m.mark("freeze", true, paths) }

// Unfreeze undoes Freeze. What is fixed stays so.
func (m *Model) Unfreeze(paths ...string) error { return m.mark("unfreeze", false, paths) }

// FreezeWhere is Freeze of the parameters that f picks.
func (m *Model) FreezeWhere(f func(path string, a *mlx.Array) bool) {
	for path, a := range m.Parameters() {
		if f(path, a) {
			m.frozen[path] = true
		}
	}
}

func (m *Model) mark(op string, frozen bool, under []string) error {
	if err := m.Err(); err != nil {
		return err
	}
	if len(under) == 0 {
		under = []string{""}
	}
	all := m.Parameters().Paths()
	var missing []string
	for _, prefix := range under {
		found := false
		for _, path := range all {
			if prefix == "" || path == prefix || strings.HasPrefix(path, prefix+".") {
				m.frozen[path], found = frozen, true
			}
		}
		if !found && prefix != "" {
			missing = append(missing, fmt.Sprintf("%q", prefix))
		}
	}
	if missing != nil {
		return fmt.Errorf("nn: %s: no parameters at %s (have: %s)", op, strings.Join(missing, ", "), some(all))
	}
	return nil
}

// some lists names, not too many of them.
func some(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Map puts f of each parameter in its place.
func (m *Model) Map(f func(path string, a *mlx.Array) *mlx.Array) error {
	slots, err := m.slots(inFiles)
	for _, s := range slots {
		s.set(kept(f(s.path, s.get())))
	}
	return err
}

// SetDtype converts the parameters whose type where takes, the floating ones when it is nil.
// Packed weights' scales are among them.
func (m *Model) SetDtype(d mlx.Dtype, where func(mlx.Dtype) bool) error {
	if where == nil {
		where = mlx.Dtype.IsFloat
	}
	return m.Map(func(_ string, a *mlx.Array) *mlx.Array {
		if !where(a.Dtype()) || a.Dtype() == d {
			return a
		}
		return mlx.AsType(a, d)
	})
}

// Modules calls f with each module of the tree, the root first, under the path "".
func (m *Model) Modules(f func(path string, module any)) error {
	w, err := walked(m.module)
	if err != nil {
		return err
	}
	for _, s := range w.subs {
		f(s.path, s.module)
	}
	return nil
}

// Trainer is a module that works otherwise in training.
type Trainer interface{ Train(training bool) }

// Train tells all modules whether this is training. They are made for training, as mlx.nn's.
func (m *Model) Train(training bool) error {
	return m.Modules(func(_ string, module any) {
		if t, ok := module.(Trainer); ok {
			t.Train(training)
		}
	})
}

// Eval computes the parameters and the rest of the module's state.
func (m *Model) Eval() error {
	slots, err := m.slots(anyRole)
	if err != nil {
		return err
	}
	all := make([]*mlx.Array, len(slots))
	for i, s := range slots {
		all[i] = s.get()
	}
	return mlx.Eval(all...)
}

// Update puts arrays in the places of the parameters at their paths; others stay. The model
// holds them from then on, out of their scopes. It changes nothing when a path is unknown or
// a shape differs, and says so of all of them in one error.
func (m *Model) Update(params Params) error { return m.replace("update", params, false) }

// Assign is Update of all parameters: one that params lacks is an error too.
func (m *Model) Assign(params Params) error { return m.replace("assign", params, true) }

// AssignKnown is Update of the parameters that params and the module both have. It returns the
// paths of the others.
func (m *Model) AssignKnown(params Params) (others []string, err error) {
	return m.known("assign", params)
}

// replace is Update, where all may be needed: a parameter that params lacks is an error too.
func (m *Model) replace(op string, params Params, all bool) error {
	slots, err := m.slots(inFiles)
	if err != nil {
		return err
	}
	wrong := compare(slots, params)
	if !all {
		wrong.missing = nil
	}
	if err := wrong.err(op); err != nil {
		return err
	}
	for _, s := range slots {
		if a, ok := params[s.path]; ok {
			s.set(kept(a))
		}
	}
	return nil
}

// difference is where a module and a set of arrays do not fit each other.
type difference struct {
	missing, extra, misshapen []string
	failed                    []failure
}

// failure is an error and the paths that have it: that of a loss is each gradient's.
type failure struct {
	err   string
	paths []string
}

func (d *difference) fail(path string, err error) {
	for i := range d.failed {
		if f := &d.failed[i]; f.err == err.Error() {
			f.paths = append(f.paths, path)
			return
		}
	}
	d.failed = append(d.failed, failure{err.Error(), []string{path}})
}

func compare(slots []slot, params Params) difference {
	var d difference
	known := map[string]bool{}
	for _, s := range slots {
		known[s.path] = true
		a, ok := params[s.path]
		switch {
		case !ok:
			d.missing = append(d.missing, s.path)
		case errOf(a) != nil:
			d.fail(s.path, errOf(a))
		case errOf(s.get()) == nil && !slices.Equal(a.Shape(), s.get().Shape()):
			d.misshapen = append(d.misshapen, fmt.Sprintf("%s is %v, want %v", s.path, a.Shape(), s.get().Shape()))
		}
	}
	for _, path := range params.Paths() {
		if !known[path] {
			d.extra = append(d.extra, path)
		}
	}
	slices.Sort(d.missing)
	return d
}

// ErrParams is the kind of an error about arrays that do not fit a module.
var ErrParams = errors.New("nn: arrays do not fit the module")

func (d difference) err(op string) error {
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"missing", d.missing}, {"unknown", d.extra}, {"misshapen", d.misshapen}} {
		if len(p.names) > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s", p.what, some(p.names)))
		}
	}
	for _, f := range d.failed {
		slices.Sort(f.paths)
		parts = append(parts, fmt.Sprintf("failed: %s: %s", some(f.paths), f.err))
	}
	if parts == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %s", ErrParams, op, strings.Join(parts, "; "))
}

// Save computes the parameters and writes them to a safetensors file, under their paths.
func (m *Model) Save(path string) error {
	if err := m.Err(); err != nil {
		return err
	}
	return mlx.SaveSafetensors(path, m.Parameters(), map[string]string{"format": "mlx"})
}

// Load is Assign of a safetensors file's arrays: it has each of the parameters, of its shape, and
// no others; the error lists all that differ, and nothing is changed then.
func (m *Model) Load(path string) error {
	params, err := m.read(path)
	if err != nil {
		return err
	}
	return m.replace("load "+path, params, true)
}

// LoadKnown is AssignKnown of a file's arrays.
func (m *Model) LoadKnown(path string) (others []string, err error) {
	params, err := m.read(path)
	if err != nil {
		return nil, err
	}
	return m.known("load "+path, params)
}

// read returns the arrays of a file, where the module's first is.
func (m *Model) read(path string) (Params, error) {
	slots, err := m.slots(inFiles)
	if err != nil {
		return nil, err
	}
	place := mlx.On(mlx.DefaultDevice())
	if len(slots) > 0 && slots[0].get().Err() == nil {
		place = slots[0].get().Stream().Scope()
	}
	arrays, _, err := mlx.LoadSafetensors(place, path)
	return arrays, err
}

// known is replace of what params and the module both have.
func (m *Model) known(op string, params Params) (others []string, err error) {
	slots, err := m.slots(inFiles)
	if err != nil {
		return nil, err
	}
	d := compare(slots, params)
	both := maps.Clone(params)
	maps.DeleteFunc(both, func(path string, _ *mlx.Array) bool { return slices.Contains(d.extra, path) })
	others = slices.Concat(d.missing, d.extra)
	slices.Sort(others)
	return others, m.replace(op, both, false)
}

// kept takes an array out of its scope, so that it lasts as long as the module.
func kept(a *mlx.Array) *mlx.Array {
	if a != nil && a.Err() == nil {
		a.Scope().Keep(a)
	}
	return a
}
