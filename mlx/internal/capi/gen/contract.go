package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

type contract struct {
	Version    string     `json:"version"`
	MLXVersion string     `json:"mlx_version"`
	Enums      []enum     `json:"enums"`
	Structs    []struct_  `json:"structs"`
	FnPtrs     []function `json:"fnptr_typedefs"`
	Typedefs   []typedef  `json:"typedefs"`
	Functions  []function `json:"functions"`
}

type enum struct {
	Name    string         `json:"name"`
	Members map[string]int `json:"members"`
}

type struct_ struct {
	Name   string  `json:"name"`
	Fields []param `json:"fields"`
}

type typedef struct {
	Name, Header, Type, Cond string
}

type param struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
}

type function struct {
	Name     string  `json:"name"`
	Header   string  `json:"header"`
	Ret      string  `json:"ret"`
	Params   []param `json:"params"`
	Variadic bool    `json:"variadic"`
}

// unbound lists the C functions that have no Go function, with the reason.
var unbound = map[string]string{
	"_mlx_error": "variadic; the library's own way to raise, of no use to a caller",
}

// byHand lists the functions that pass or return a struct of more than 8 bytes
// by value; struct_by_value.go writes them.
var byHand = []string{
	"mlx_io_reader_new", "mlx_io_writer_new",
	"mlx_map_string_to_array_iterator_new", "mlx_map_string_to_array_iterator_free", "mlx_map_string_to_array_iterator_next",
	"mlx_map_string_to_string_iterator_new", "mlx_map_string_to_string_iterator_free", "mlx_map_string_to_string_iterator_next",
}

// packed lists the functions whose stack arguments Apple arm64 packs to their
// natural size, so that 8-byte slots give wrong values there.
var packed = []string{
	"mlx_conv2d", "mlx_conv3d", "mlx_conv_general", "mlx_conv_transpose2d", "mlx_conv_transpose3d",
}

// halfOnly matches functions that exist only where the compiler has the type.
var halfOnly = regexp.MustCompile(`\bb?float16_t\b`)

// gated matches the functions that evaluate, read, transform, load, save, wait
// or free: they run inside the gate. Vectors of handles are exempt: freeing one
// drops references whose arrays the caller still holds; so is mlx_array_set, which
// package mlx calls with an empty destination only outside the gate, and the wait for an array
// that nobody else knows.
var gated = regexp.MustCompile(`^mlx_(` + strings.Join([]string{
	`array_(free|set_.*|eval|tostring|item_.*|data_.*)`,
	`eval|async_eval|synchronize.*|clear_streams`,
	`(closure|closure_.*)_(free|set|apply)`, `closure_free`,
	`compile|detail_.*|(enable|disable)_compile|set_compile_mode|compile_cache_free`,
	`checkpoint|custom_function|custom_vjp|jvp|vjp|value_and_grad`,
	`(export|import)_.*|(function_exporter|imported_function)_.*`,
	`load.*|save.*|print_graph|export_to_dot`,
	`map_string_to_array_(free|set|insert)`, `io_gguf_free`,
	`clear_cache|set_(cache|memory|wired)_limit|reset_peak_memory`,
}, "|") + `)$|^_mlx_array_is_.*$`)

// byDefault matches the functions inside which MLX 0.32.2 makes an operation without naming a
// stream, and so takes the thread's. A compiler found them: with the default arguments of
// MLX's headers taken away, these are the places that it refuses. Those of distributed are
// there because nobody has looked.
var byDefault = regexp.MustCompile(`^mlx_(` + strings.Join([]string{
	`fast_(layer_norm|scaled_dot_product_attention)`,
	`fft_(i?r?fft[2n]?)`,
	`gather(_single|_mm|_qmm|_qqmm)?`, `scatter(_add|_prod|_max|_min)?(_single)?`,
	`imag|number_of_elements`,
	`linalg_(cross|norm|norm_matrix|norm_l2)`,
	`quantize|quantized_matmul|qqmm`,
	`random_categorical.*`,
	`distributed_(all_.*|send|recv.*|sum_scatter)`,
}, "|") + `)$`)

// load reads the contract.
func load(root string) (*generator, error) {
	raw, err := os.ReadFile(filepath.Join(root, "include/mlxc.json"))
	if err != nil {
		return nil, err
	}
	g := &generator{root: root, handles: map[string]bool{}, enums: map[string]bool{}, names: map[string]string{}}
	if err := json.Unmarshal(raw, &g.c); err != nil {
		return nil, err
	}
	for _, s := range g.c.Structs {
		if len(s.Fields) == 1 && s.Fields[0].Type == "void*" {
			g.handles[s.Name] = true
		}
	}
	for _, e := range g.c.Enums {
		g.enums[e.Name] = true
	}
	return g, nil
}

type generator struct {
	root    string
	c       contract
	handles map[string]bool
	enums   map[string]bool
	names   map[string]string // Go name → C name, to stop at a collision
}

// bound returns the functions that a Go function is generated for, in order.
func (g *generator) bound() []function {
	var out []function
	for _, f := range g.c.Functions {
		if _, skip := unbound[f.Name]; !skip {
			out = append(out, f)
		}
	}
	return out
}

func isHalf(f function) bool {
	if halfOnly.MatchString(f.Ret) {
		return true
	}
	return slices.ContainsFunc(f.Params, func(p param) bool { return halfOnly.MatchString(p.Type) })
}
