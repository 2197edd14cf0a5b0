package mlx_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/mlxlens/mlxlens/mlx"
)

// params are the parameters of a recorded case.
type params map[string]json.RawMessage

func param[T any](p params, name string) T {
	var v T
	if raw, ok := p[name]; ok {
		if err := json.Unmarshal(raw, &v); err != nil {
			panic(fmt.Sprintf("parameter %s is %s: %v", name, raw, err))
		}
	}
	return v
}

func (p params) null(name string) bool { return p[name] == nil || string(p[name]) == "null" }

func (p params) int(name string) int { return param[int](p, name) }

func (p params) ints(name string) []int { return param[[]int](p, name) }

func (p params) float(name string) float64 { return param[float64](p, name) }

func (p params) bool(name string) bool { return param[bool](p, name) }

func (p params) string(name string) string { return param[string](p, name) }

func (p params) dtype() mlx.Dtype { return dtypeNamed(p.string("dtype")) }

func (p params) key(s *mlx.Scope) *mlx.Array { return mlx.RandomKey(s, param[uint64](p, "seed")) }

func (p params) triangle() (t mlx.Triangle) { return mlx.Triangle(p.bool("upper")) }

func (p params) conv() mlx.Conv {
	return mlx.Conv{Stride: p.ints("stride"), Padding: p.ints("padding"), Dilation: p.ints("dilation"), OutputPadding: p.ints("output_padding"), Groups: p.int("groups")}
}

func (p params) quantization() mlx.Quantization {
	return mlx.Quantization{GroupSize: p.int("group"), Bits: p.int("bits"), Mode: p.string("mode")}
}

// axis is a number, or null for all elements as one.
func (p params) axis() int {
	if p.null("axis") {
		return mlx.Flat
	}
	return p.int("axis")
}

func dtypeNamed(name string) mlx.Dtype {
	for d := mlx.Bool; d <= mlx.Complex64; d++ {
		if d.String() == name {
			return d
		}
	}
	panic("no data type " + name)
}

// indexers reads an index as the recorder writes it: "1:3" a range, "@0" the first array.
func indexers(p params, arrays []*mlx.Array) []mlx.Indexer {
	var out []mlx.Indexer
	for _, raw := range param[[]json.RawMessage](p, "index") {
		var i int
		if json.Unmarshal(raw, &i) == nil {
			out = append(out, mlx.At(i))
			continue
		}
		var word string
		if err := json.Unmarshal(raw, &word); err != nil {
			panic(err)
		}
		out = append(out, indexer(word, arrays))
	}
	return out
}

func indexer(word string, arrays []*mlx.Array) mlx.Indexer {
	switch {
	case word == "...":
		return mlx.Ellipsis
	case word == "new":
		return mlx.NewAxis
	case word == ":":
		return mlx.Whole
	case word[0] == '@':
		i, _ := strconv.Atoi(word[1:])
		return arrays[i]
	}
	var parts [3]string
	for i, k := 0, 0; i < len(word); i++ {
		if word[i] == ':' {
			k++
		} else {
			parts[k] += word[i : i+1]
		}
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	var r mlx.Range
	switch {
	case parts[0] != "" && parts[1] != "":
		r = mlx.Between(number(parts[0]), number(parts[1]))
	case parts[0] != "":
		r = mlx.From(number(parts[0]))
	case parts[1] != "":
		r = mlx.To(number(parts[1]))
	default:
		r = mlx.Every(1)
	}
	if parts[2] != "" {
		r = r.By(number(parts[2]))
	}
	return r
}

// floatOrInf returns a number, or infinity where the record has none.
func floatOrInf(p params, name string) float64 {
	if p.null(name) {
		return math.Inf(1)
	}
	return p.float(name)
}
