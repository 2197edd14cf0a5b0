package nn

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mlxlens/mlxlens/mlx"
)

// Params is arrays by path: parameters, gradients or an optimizer's state. A path is the
// names from the root to the array with dots between, as in mlx.nn's files:
// "layers.0.self_attn.q_proj.weight".
type Params map[string]*mlx.Array

// Paths returns the paths in their order.
func (p Params) Paths() []string { return slices.Sorted(maps.Keys(p)) }

// Count returns how many elements the arrays have together.
func (p Params) Count() int {
	n := 0
	for _, a := range p {
		n += a.Size()
	}
	return n
}

// Map returns f of each array, under the same path.
func (p Params) Map(f func(path string, a *mlx.Array) *mlx.Array) Params {
	out := make(Params, len(p))
	for _, path := range p.Paths() {
		out[path] = f(path, p[path])
	}
	return out
}

// Under returns the arrays below a path, their paths seen from there.
func (p Params) Under(prefix string) Params {
	out := Params{}
	for path, a := range p {
		if rest, ok := strings.CutPrefix(path, prefix+"."); ok {
			out[rest] = a
		}
	}
	return out
}

// Unflatten returns the paths as maps in maps, map[string]any, and lists, []any, where the
// names of a level are the numbers from 0, as mlx.utils.tree_unflatten does. It fails where
// a path goes on behind an array.
func (p Params) Unflatten() (any, error) {
	root := map[string]any{}
	for _, path := range p.Paths() {
		at, names := root, strings.Split(path, ".")
		for i, name := range names[:len(names)-1] {
			next, ok := at[name].(map[string]any)
			if at[name] != nil && !ok {
				return nil, fmt.Errorf("nn: unflatten: %q goes on behind the array %q", path, strings.Join(names[:i+1], "."))
			}
			if next == nil {
				next = map[string]any{}
				at[name] = next
			}
			at = next
		}
		at[names[len(names)-1]] = p[path]
	}
	return listed(root), nil
}

// listed turns maps whose names count from 0 into lists.
func listed(m map[string]any) any {
	for name, v := range m {
		if inner, ok := v.(map[string]any); ok {
			m[name] = listed(inner)
		}
	}
	list := make([]any, len(m))
	for i := range list {
		v, ok := m[strconv.Itoa(i)]
		if !ok || len(m) == 0 {
			return m
		}
		list[i] = v
	}
	if len(list) == 0 {
		return m
	}
	return list
}

// Flatten undoes Unflatten: tree holds arrays in maps and lists.
func Flatten(tree any) (Params, error) {
	out := Params{}
	return out, flatten(out, "", tree)
}

func flatten(out Params, path string, tree any) error {
	switch t := tree.(type) {
	case *mlx.Array:
		out[path] = t
	case Params:
		for name, a := range t {
			out[join(path, name)] = a
		}
	case map[string]any:
		for name, v := range t {
			if err := flatten(out, join(path, name), v); err != nil {
				return err
			}
		}
	case []any:
		for i, v := range t {
			if err := flatten(out, join(path, strconv.Itoa(i)), v); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("nn: flatten: %T at %q (have: *mlx.Array, Params, map[string]any, []any)", tree, path)
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	if name == "" {
		return path
	}
	return path + "." + name
}

// role is what a module's array is for.
type role int

const (
	learned role = iota // a parameter
	fixed               // in files, but never trained: running statistics, packed weights
	hidden              // what a forward pass changes and no file has: the key of Dropout
)

// slot is a place of a module that holds an array.
type slot struct {
	path string
	role role
	get  func() *mlx.Array
	set  func(*mlx.Array)
}

// sub is a module inside a module: a pointer to a struct.
type sub struct {
	path   string
	module any
}

// walk finds the arrays and modules under a module.
type walk struct {
	slots []slot
	subs  []sub
	seen  map[any]bool // pointers that were entered
	paths map[string]bool
	errs  []string
}

// packer is a layer whose weights are fixed when it says so: all but its bias.
type packer interface{ packed() bool }

func walked(module any) (*walk, error) {
	w := &walk{seen: map[any]bool{}, paths: map[string]bool{}}
	v := reflect.ValueOf(module)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("nn: a module is a pointer to a struct, and this is %T", module)
	}
	w.value("", v, learned)
	if w.errs != nil {
		return nil, fmt.Errorf("nn: %T: %s", module, strings.Join(w.errs, "; "))
	}
	return w, nil
}

var typeOfArray, typeOfKeys = reflect.TypeFor[*mlx.Array](), reflect.TypeFor[*Keys]()

// value enters what may hold arrays.
func (w *walk) value(path string, v reflect.Value, r role) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			w.value(path, v.Elem(), r)
		}
	case reflect.Pointer:
		w.pointer(path, v, r)
	case reflect.Struct:
		if v.Type().PkgPath() != typeOfArray.Elem().PkgPath() {
			w.fields(path, v, r)
		}
	case reflect.Slice, reflect.Array:
		if k := v.Type().Elem().Kind(); k < reflect.Array { // numbers
			return
		}
		for i := range v.Len() {
			w.element(join(path, strconv.Itoa(i)), v.Index(i), r)
		}
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			w.entries(path, v, r)
		}
	}
}

// element enters a field or an element of a list: an array, or what may hold some.
func (w *walk) element(path string, v reflect.Value, r role) {
	if v.Type() != typeOfArray {
		w.value(path, v, r)
		return
	}
	if v.IsNil() {
		return
	}
	if !v.CanSet() {
		w.errs = append(w.errs, fmt.Sprintf("%q is in a struct that is held by value: hold a pointer", path))
		return
	}
	w.add(slot{path, r, func() *mlx.Array { return v.Interface().(*mlx.Array) }, func(a *mlx.Array) { v.Set(reflect.ValueOf(a)) }})
}

func (w *walk) add(s slot) {
	if s.role != hidden {
		if w.paths[s.path] {
			w.errs = append(w.errs, fmt.Sprintf("two arrays are at %q: tag one of the fields, `nn:\"name\"`", s.path))
		}
		w.paths[s.path] = true
	}
	w.slots = append(w.slots, s)
}

func (w *walk) pointer(path string, v reflect.Value, r role) {
	if v.IsNil() || v.Type() == typeOfArray || w.seen[v.Interface()] {
		return
	}
	w.seen[v.Interface()] = true
	if v.Type() == typeOfKeys {
		k := v.Interface().(*Keys)
		w.add(slot{path, hidden, func() *mlx.Array { return k.key }, func(a *mlx.Array) { k.key = a }})
		return
	}
	if v.Elem().Kind() == reflect.Struct && v.Type().Elem().PkgPath() != typeOfArray.Elem().PkgPath() {
		w.subs = append(w.subs, sub{path, v.Interface()})
	}
	w.value(path, v.Elem(), r)
}

func (w *walk) entries(path string, v reflect.Value, r role) {
	names := v.MapKeys()
	slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, name := range names {
		at, e := join(path, name.String()), v.MapIndex(name)
		if e.Type() != typeOfArray {
			w.value(at, e, r)
			continue
		}
		if !e.IsNil() {
			w.add(slot{at, r,
				func() *mlx.Array { return v.MapIndex(name).Interface().(*mlx.Array) },
				func(a *mlx.Array) { v.SetMapIndex(name, reflect.ValueOf(a)) }})
		}
	}
}

// fields enters the exported fields of a struct. The tag nn:"name" names one, nn:",fixed"
// keeps it from training, and nn:"-" leaves it out.
func (w *walk) fields(path string, v reflect.Value, r role) {
	packed := false
	if v.CanAddr() {
		p, ok := v.Addr().Interface().(packer)
		packed = ok && p.packed()
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() && !(f.Anonymous && f.Type.Kind() == reflect.Struct) {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("nn"), ",")
		if name == "-" {
			continue
		}
		if name == "" && !f.Anonymous {
			name = snake(f.Name)
		}
		as := r
		if options == "fixed" || packed && name != "bias" {
			as = fixed
		}
		w.element(join(path, name), v.Field(i), as)
	}
}

// snake returns QProj as q_proj, MLP as mlp and Linear1 as linear1.
func snake(name string) string {
	var b strings.Builder
	rs := []rune(name)
	for i, r := range rs {
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
