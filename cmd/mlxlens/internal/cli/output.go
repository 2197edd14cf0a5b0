package cli

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens/render"
)

// outputFlags say where the answer goes, and in which format.
type outputFlags struct {
	output  string
	as      string   // --format
	formats []string // that the command has
}

func (o *outputFlags) flags(cmd *cobra.Command, usage string, formats ...string) {
	o.formats = formats
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", usage)
	f.StringVar(&o.as, "format", "", "the output's format, where its name does not end in one, such as - (stdout): "+strings.Join(formats, ", "))
	complete(cmd, "format", formats...)
}

// allFormats are those of all commands.
var allFormats = []string{"json", "jsonl", "csv", "html", "png", "svg", "pdf", "npz", "safetensors"}

// binary are those that no terminal shows.
var binary = []string{"png", "pdf", "npz", "safetensors"}

// format is that of the output, "" without one. check has found it to be known.
func (o *outputFlags) format() string {
	if o.as != "" || o.output == "" {
		return o.as
	}
	return strings.ToLower(strings.TrimPrefix(filepath.Ext(o.output), "."))
}

// drawings are the formats of pictures.
var drawings = map[string]render.Format{"png": render.PNG, "svg": render.SVG, "pdf": render.PDF}

// pictured reports whether the output is a picture.
func (o *outputFlags) pictured() bool {
	_, ok := drawings[o.format()]
	return ok
}

// check finds what is wrong with the flags for a command that can write some formats now.
func (o *outputFlags) check(formats ...string) error {
	ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(o.output), "."))
	have := strings.Join(formats, ", ")
	switch {
	case o.output == "" && o.as == "":
		return nil
	case o.output == "":
		return usagef("--format needs --output: give a name, or - for stdout")
	case o.as != "" && !slices.Contains(formats, o.as):
		return usagef("--format %q: want one of %s%s", o.as, have, spelling.DidYouMean(o.as, formats))
	case o.as != "" && slices.Contains(allFormats, ext) && ext != o.as:
		return usagef("output %q: the name says %s, and --format %s", o.output, ext, o.as)
	case o.as == "" && !slices.Contains(formats, ext):
		return usagef("output %q: the extension names the format (have: %s), or --format does", o.output, "."+strings.Join(formats, ", ."))
	}
	return nil
}

// beside refuses an answer on stdout in two formats.
func (o *outputFlags) beside(asJSON bool) error {
	if as := o.format(); asJSON && o.output == "-" && as != "json" && as != "jsonl" {
		return usagef("--json and --format %s both write to stdout: leave one out", as)
	}
	return nil
}

// find looks up where the output leads.
func (o *outputFlags) find(s *streams) (*output.Place, error) {
	place, err := output.Find(o.output, s.out)
	if err != nil {
		return nil, err
	}
	if place.Stdout() && terminal(s.out) > 0 && slices.Contains(binary, o.format()) {
		return nil, usagef("stdout is a terminal, which shows no %s: give --output the name of a file", o.format())
	}
	s.answer = place
	return place, nil
}

// create makes the output, nil without one.
func (o *outputFlags) create(s *streams, quiet bool) (*answer, error) {
	if o.output == "" || s.rank > 0 { // the first rank writes
		return nil, nil
	}
	place, err := o.find(s)
	if err != nil {
		return nil, err
	}
	f, err := place.Create()
	if err != nil {
		return nil, err
	}
	return &answer{f, s, o.output, quiet}, nil
}

// extensions lists the names of formats as they end a file's name.
func extensions(formats []string) string { return "." + strings.Join(formats, " .") }

// answer is an output that tells what it has written, and whether it has replaced a file.
type answer struct {
	*output.File
	s     *streams
	name  string
	quiet bool
}

func (a *answer) write(fill func(io.Writer) error) error {
	replaces := a.Replaces()
	if err := a.Write(fill); err != nil {
		return err
	}
	size := ""
	if info, err := os.Stat(a.name); err == nil {
		size = " (" + humanize.Bytes(uint64(info.Size())) + ")"
	}
	switch {
	case a.quiet || !a.IsFile():
	case replaces:
		a.s.say("%s was there before and has been replaced%s", a.name, size)
	default:
		a.s.say("wrote %s%s", a.name, size)
	}
	return nil
}

func (a *answer) drop() {
	if a != nil {
		a.Drop()
	}
}
