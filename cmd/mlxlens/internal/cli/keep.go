package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/mlxlens/mlxlens/activation"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/auto"
)

// keeps reports whether the output is a file of activations and not of the lens.
func (o *traceOptions) keeps() bool { return o.writer() != nil }

// writer returns what writes activations in the output's format, nil for another format.
func (o *traceOptions) writer() func(*activation.Set, io.Writer) error {
	switch o.extension() {
	case ".npz":
		return (*activation.Set).WriteNPZ
	case ".safetensors":
		return (*activation.Set).WriteSafetensors
	}
	return nil
}

// checkKeep refuses what such a file has no place for; given reports whether a flag was.
func (o *traceOptions) checkKeep(given func(flag string) bool) error {
	if !o.keeps() {
		if given("keep") {
			return usagef("--keep needs --output with a name that ends in .npz or .safetensors")
		}
		return nil
	}
	for _, flag := range []string{"layers", "embed", "mid", "attn", "mlp", "target", "track", "lens", "check", "export", "json", "top", "view"} {
		if given(flag) {
			return usagef("a file of activations has no place for --%s: say what to write with --keep", flag)
		}
	}
	return nil
}

// keep writes the activations of a prompt.
func (o *traceOptions) keep(ctx context.Context, opened *auto.Opened, text *string, ids []int, file *output) error {
	p, err := o.prepare(ctx, opened, text, ids)
	if err != nil {
		return err
	}
	places, err := lens.ParsePlaces(o.places, opened.Model)
	if err != nil {
		return usageError{err}
	}
	lo, err := o.of(lens.Options{}, opened, len(p.ids))
	if err != nil {
		return err
	}
	bound, err := o.bound()
	if err != nil {
		return err
	}
	result, work, err := lens.CaptureMemory(opened.Model, len(p.ids), places, lo.Positions)
	if err != nil {
		return err
	}
	if free := bound - int64(mlx.ActiveMemory()); bound > 0 && work > free {
		return fmt.Errorf("the activations take %d MB, and to compute them %d MB beside the weights, of which --max-memory leaves %d: keep fewer places or positions, or allow more",
			result>>20, work>>20, max(0, free>>20))
	}
	set, err := lens.Capture(ctx, opened.Model, p.ids, places, lo.Positions, lo.Edits...)
	if err != nil {
		return err
	}
	set.Metadata["model"] = opened.Info.Ref
	if text != nil {
		set.Metadata["prompt"] = *text
	}
	if len(o.edits) > 0 {
		set.Metadata["edits"] = strings.Join(o.edits, " ")
	}
	write := o.writer()
	return file.write(func(w io.Writer) error { return write(set, w) })
}
