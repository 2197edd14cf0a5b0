package mlx

import (
	"io"
	"maps"
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// ExportToDOT writes the graph that computes the arrays in the language of Graphviz, with
// names for some of its arrays; others are lettered. What has been evaluated has no graph.
// Binds mlx_export_to_dot.
func ExportToDOT(w io.Writer, names map[string]*Array, arrays ...*Array) error {
	return writeGraph("export_to_dot", capi.ExportToDot, w, names, arrays)
}

// PrintGraph writes the operations that compute the arrays, a line each, in an order in which
// they can be done. Binds mlx_print_graph.
func PrintGraph(w io.Writer, names map[string]*Array, arrays ...*Array) error {
	return writeGraph("print_graph", capi.PrintGraph, w, names, arrays)
}

func writeGraph(op string, f func(capi.File, capi.NodeNamer, capi.VectorArray) int32, w io.Writer, names map[string]*Array, arrays []*Array) error {
	if w == nil {
		return missing(op, "writer")
	}
	if len(arrays) == 0 {
		return newError(op, ErrShape, "no arrays were given")
	}
	order := slices.Sorted(maps.Keys(names))
	all := slices.Clone(arrays)
	for _, name := range order {
		if e := printable(op, "the name", name); e != nil {
			return e
		}
		all = append(all, names[name])
	}
	if bad := required(op, all...); bad != nil {
		return bad.err
	}
	if e := start(op, &Array{}, nil, all); e != nil {
		return e
	}
	defer finish(all)
	if e := tooDeep(op, arrays); e != nil {
		return e
	}
	var text []byte
	err := inGate(op, func() (err error) {
		namer := capi.NodeNamerNew()
		defer capi.NodeNamerFree(namer)
		for i, name := range order {
			if err = status(op, capi.NodeNamerSetName(namer, all[len(arrays)+i].h, capi.Bytes(name))); err != nil {
				return err
			}
		}
		list := vector(arrays)
		defer capi.VectorArrayFree(list)
		var failed error
		text, err = capi.WriteFile(func(file capi.File) { failed = status(op, f(file, namer, list)) })
		if failed != nil {
			return failed
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// Depends returns the inputs, each to be computed after the dependencies are.
// Binds mlx_depends.
func Depends(inputs, dependencies []*Array) []*Array {
	const op = "depends"
	operands := slices.Concat(inputs, dependencies)
	if len(inputs) == 0 {
		return nil
	}
	if bad := required(op, operands...); bad != nil {
		return slices.Repeat([]*Array{bad}, len(inputs))
	}
	out := buildList(op, operands, func(res *capi.VectorArray, s capi.Stream) int32 {
		capi.EnterDefaults(s) // it is not told a stream
		defer capi.LeaveDefaults(s)
		in, after := vector(inputs), vector(dependencies)
		defer capi.VectorArrayFree(in)
		defer capi.VectorArrayFree(after)
		return capi.Depends(res, in, after)
	})
	if len(out) == 1 && out[0].err != nil {
		return slices.Repeat(out, len(inputs))
	}
	return out
}
