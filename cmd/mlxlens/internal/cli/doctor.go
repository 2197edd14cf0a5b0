package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	provenance "github.com/mlxlens/mlxlens/internal/origin"
	"github.com/mlxlens/mlxlens/internal/rooms"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/auto"
)

type doctorOptions struct {
	json    bool
	verbose bool
}

func newDoctorCmd(s *streams) *cobra.Command {
	o := &doctorOptions{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look over the MLX library, its devices and its speed",
		Long: `Doctor shows the MLX library that was found, its version, its devices, the BLAS
that it multiplies with, how fast that is, the self-check of functions whose calls
have changed between versions, and which model is opened when none is named. Each
problem comes with what to do about it. It fails when a trace of that model could not
run: without a usable library (exit code 3), a model that can be opened, or the memory
for it.

With --verbose it lists every place where a library, a BLAS or a model was looked for, and why
it was taken or not.`,
		Example: `  mlxlens doctor
  mlxlens doctor --verbose
  mlxlens doctor --json`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return runDoctor(s, o) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "list every place that was looked at")
	return cmd
}

// diagnosis is what doctor finds.
type diagnosis struct {
	Library  string    `json:"library"`
	MLX      string    `json:"mlx"`
	Proven   string    `json:"proven_mlx"` // the version of MLX that mlxlens was proven with
	Devices  []string  `json:"devices"`
	BLAS     string    `json:"blas"`
	Kernels  string    `json:"blas_kernels"`
	Memory   int       `json:"memory_bytes"`
	Speed    float64   `json:"gmac_per_s"` // of a dense float32 product on the default device
	Refused  []string  `json:"refused"`
	Model    string    `json:"model"`
	Problems []problem `json:"problems"`
	Looked   looked    `json:"looked_at"`
}

// looked lists the places of each search, with why each was taken or not.
type looked struct {
	Library []string `json:"library"`
	BLAS    []string `json:"blas"`
	Model   []string `json:"model"`
}

type problem struct {
	What string `json:"what"`
	Do   string `json:"do"`
}

func runDoctor(s *streams, o *doctorOptions) error {
	var d diagnosis
	libraryErr := d.library()
	if libraryErr == nil {
		if err := d.measure(); err != nil {
			return err
		}
	}
	modelErr := d.model(libraryErr == nil)
	var err error
	if o.json {
		e := json.NewEncoder(s.out)
		e.SetEscapeHTML(false)
		err = e.Encode(d)
	} else {
		err = d.print(s, o.verbose)
	}
	return cmp.Or(libraryErr, err, modelErr)
}

// needed are the operations without which no model of the default's kind runs.
var needed = []string{"attention", "rope", "quantized_matmul", "dequantize"}

func (d *diagnosis) library() error {
	lib, err := mlx.LoadedLibrary()
	d.Looked.Library, d.Looked.BLAS = lib.Searched, lib.SearchedBLAS
	if errors.Is(err, mlx.ErrSystem) {
		d.add("the MLX library cannot be opened: the system gives too few threads or too little memory", "raise the limits (`ulimit -u`, `ulimit -v`, the cgroup's), or set OPENBLAS_NUM_THREADS=1")
		return err
	}
	if err != nil {
		named := os.Getenv(mlx.EnvLibrary)
		switch {
		case lib.Path != "": // it would be usable
		case named != "":
			what, do := "", "unset $"+mlx.EnvLibrary+", or name a folder that has one: while it is set, no other place is looked at; why "+named+" is not usable is said on stderr"
			if lacks, get := mlx.LibraryRemedy(); lacks != "" && provenance.Packages() == "" { // of a wheel's packages it is not asked here
				what, do = ": "+lacks, get+"; "+do
			}
			d.add("there is no usable MLX library where $"+mlx.EnvLibrary+" says"+what, do)
		default:
			what, do := mlx.LibraryRemedy()
			if what != "" {
				what = ": " + what
			}
			d.add("there is no usable MLX library"+what, do+"; the places that were tried are listed on stderr")
		}
		if errors.Is(err, mlx.ErrBLAS) {
			d.add("there is no usable BLAS where $"+mlx.EnvBLAS+" says", "unset it, or name another: why "+os.Getenv(mlx.EnvBLAS)+" is not usable is said on stderr")
		}
		return err
	}
	d.Library, d.MLX, d.Proven, d.BLAS, d.Kernels, d.Memory, d.Refused = lib.Path, lib.MLX, lib.Proven, lib.BLAS, lib.Kernels, lib.Memory, lib.Refused
	for _, dev := range lib.Devices {
		d.Devices = append(d.Devices, dev.String())
	}
	for _, r := range lib.Refused {
		d.add("the library fails the self-check: "+r, fmt.Sprintf("get the library of MLX %s, which mlxlens was proven with: `%s`", lib.Proven, lib.Remedy))
	}
	d.matrixUnits()
	d.fastBLAS(lib)
	return nil
}

func (d *diagnosis) add(what, do string) { d.Problems = append(d.Problems, problem{what, do}) }

// measure times a dense product. The first one also starts the BLAS' threads.
func (d *diagnosis) measure() error {
	const n = 512
	s := mlx.NewScope(mlx.DefaultDevice())
	defer s.Close()
	x := mlx.Full(s, 0.5, mlx.Float32, n, n)
	if err := mlx.Eval(mlx.Matmul(x, x)); err != nil {
		return err
	}
	start := time.Now()
	products := 0
	for time.Since(start) < 50*time.Millisecond {
		y := mlx.Matmul(x, x)
		if err := mlx.Eval(y); err != nil {
			return err
		}
		y.Free()
		products++
	}
	d.Speed = float64(products) * n * n * n / time.Since(start).Seconds() / 1e9
	return nil
}

// model finds the default model, and opens all of it but the weights. It fails where a trace of
// it could not run.
func (d *diagnosis) model(withLibrary bool) error {
	quiet := modelOptions{quiet: true}
	_, _, d.Looked.Model = quiet.choose()
	path, err := quiet.locate(&streams{ctx: context.Background(), out: io.Discard, err: io.Discard})
	var usage usageError
	if errors.As(err, &usage) {
		d.add("no model is there", fetchModel()+", or name one with -m or in $"+envModel)
		return errors.New("no model is there to trace")
	}
	if err == nil {
		d.Model = path
		if withLibrary {
			err = auto.Check(path, auto.Options{})
		}
		if errors.Is(err, auto.ErrNoTokenizer) { // a prompt can be given as ids
			err = nil
		}
	}
	if err != nil {
		d.add(rooms.Text(err), "name another model in $"+envModel+", or download it again")
		return fmt.Errorf("the model %s cannot be opened", path)
	}
	for _, refused := range d.Refused {
		if op, _, _ := strings.Cut(refused, ":"); slices.Contains(needed, op) {
			return fmt.Errorf("the library fails the self-check of %s, which models need", op)
		}
	}
	return nil
}

func (d *diagnosis) print(s *streams, verbose bool) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	or := func(value, none string) string {
		if value == "" {
			return none
		}
		return visible(value)
	}
	fmt.Fprintf(w, "library\t%s\n", or(d.Library, "none"))
	if d.Library != "" {
		version := d.MLX
		if d.MLX != d.Proven {
			version += " (mlxlens was proven with " + d.Proven + "; the self-check below covers what is known to change)"
		}
		fmt.Fprintf(w, "MLX\t%s\n", version)
		fmt.Fprintf(w, "devices\t%s\n", strings.Join(d.Devices, ", "))
		fmt.Fprintf(w, "memory limit\t%s\n", humanize.IBytes(uint64(d.Memory)))
		blas := "MLX's own"
		if runtime.GOOS == "darwin" {
			blas = "Accelerate"
		}
		if blas = or(d.BLAS, blas); d.Kernels != "" {
			blas += ", kernels for " + d.Kernels
		}
		fmt.Fprintf(w, "BLAS\t%s\n", blas)
		fmt.Fprintf(w, "speed\t%.1f GMAC/s, float32\n", d.Speed)
		check := "passed"
		if len(d.Refused) > 0 {
			check = english.Plural(len(d.Refused), "function is", "functions are") + " refused"
		}
		fmt.Fprintf(w, "self-check\t%s\n", check)
	}
	fmt.Fprintf(w, "model\t%s\n", or(d.Model, "none"))
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range d.Problems {
		fmt.Fprintf(s.out, "\nproblem: %s\n  to do: %s\n", visible(p.What), visible(p.Do))
	}
	if len(d.Problems) == 0 {
		fmt.Fprintln(s.out, "\nno problems")
	}
	if verbose {
		fmt.Fprintf(s.out, "\nlooked for a library at\n  %s\n", strings.Join(d.Looked.Library, "\n  "))
		if len(d.Looked.BLAS) > 0 {
			fmt.Fprintf(s.out, "\nlooked for a BLAS at\n  %s\n", strings.Join(d.Looked.BLAS, "\n  "))
		}
		fmt.Fprintf(s.out, "\nlooked for a model at\n  %s\n", strings.Join(d.Looked.Model, "\n  "))
	}
	return nil
}
