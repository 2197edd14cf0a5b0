package cli

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	provenance "github.com/mlxlens/mlxlens/internal/origin"
	"github.com/mlxlens/mlxlens/lens/render"
)

// pictureFlags say how a picture looks: the same for every command that draws one.
type pictureFlags struct {
	fonts   bool
	style   string
	title   string
	wide    string
	size    float64
	numbers bool
	stride  int

	onScreen bool // the command shows numbers in the cells of a terminal too
	changed  func(flag string) bool
}

// pictureFlagNames are those of the group.
var pictureFlagNames = []string{"style", "title", "picture-width", "font-size", "numbers", "layer-stride", "system-fonts"}

// styles are a picture's by their names.
var styles = map[string]render.Style{"screen": render.Screen, "paper": render.Paper}

func (o *pictureFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.style, "style", "screen", "of a picture: screen, or paper: no title, notes and margin, 3.25in wide, text of 7 points")
	f.StringVar(&o.title, "title", "", "of a picture: a title instead of the prompt")
	f.StringVar(&o.wide, "picture-width", "", "of a picture: how wide it is, such as 6.75in, 17cm or 486pt (default what its cells need)")
	f.Float64Var(&o.size, "font-size", 0, "of a picture: the size of its text in points (default 8)")
	f.BoolVar(&o.numbers, "numbers", false, numbersUsage(o.onScreen))
	f.IntVar(&o.stride, "layer-stride", 1, "of a picture: draw every so manieth layer, counted from the last")
	f.BoolVar(&o.fonts, "system-fonts", false, "of a picture: the system's fonts for Chinese, Japanese and Korean, which the built-in ones have only as dots")
	complete(cmd, "style", "screen", "paper")
	o.changed = cmd.Flags().Changed
}

func numbersUsage(onScreen bool) string {
	where := "of a picture: "
	if onScreen {
		where = "of a picture, and of the grid on a terminal: "
	}
	return where + "the numbers in its cells; --numbers=false leaves those out that are there without it"
}

// check finds what is wrong with the flags for an output.
func (o *pictureFlags) check(out *outputFlags) error {
	for _, name := range pictureFlagNames {
		if name == "numbers" && o.onScreen && out.output == "" {
			continue
		}
		if o.changed(name) && !out.pictured() {
			return usagef("%v is of a picture: give --output a name that ends in .png, .svg or .pdf", theFlag(name))
		}
	}
	if _, ok := styles[o.style]; !ok {
		return usagef("--style %q: want screen or paper", o.style)
	}
	if o.changed("font-size") && !(o.size >= 3 && o.size <= 72) {
		return usagef("--font-size %g: want 3 to 72 points", o.size)
	}
	if o.stride < 1 {
		return usagef("--layer-stride %d: want 1 or more", o.stride)
	}
	_, err := o.points()
	return err
}

// charts refuses what a picture without cells has no place for.
func (o *pictureFlags) charts(kind string) error {
	for _, name := range []string{"numbers", "layer-stride"} {
		if o.changed(name) {
			return usagef("%v is of cells, and --picture %s has none", theFlag(name), kind)
		}
	}
	return nil
}

var length = regexp.MustCompile(`^([0-9.]+) ?(in|cm|mm|pt)$`)

// points reads the width, 0 for none.
func (o *pictureFlags) points() (float64, error) {
	if o.wide == "" {
		return 0, nil
	}
	m := length.FindStringSubmatch(o.wide)
	if m == nil {
		return 0, usagef("--picture-width %q: want a length such as 6.75in, 17cm, 170mm or 486pt", o.wide)
	}
	x, err := strconv.ParseFloat(m[1], 64)
	x *= map[string]float64{"in": 72, "cm": 72 / 2.54, "mm": 72 / 25.4, "pt": 1}[m[2]]
	if err != nil || !(x >= 72 && x <= 14400) {
		return 0, usagef("--picture-width %q: want 1in to 200in", o.wide)
	}
	return x, nil
}

// options are those of a picture in a format.
func (o *pictureFlags) options(s *streams, format string, edits ...string) render.PictureOptions {
	width, _ := o.points() // check has read it
	p := render.PictureOptions{
		Format: drawings[format], Numbers: o.shown(), Style: styles[o.style], Title: o.title, Width: width, FontSize: o.size, Every: o.stride,
		Origin: render.Origin{Program: "mlxlens " + programVersion(), Command: commandLine(s.args), Edits: edits},
	}
	if o.fonts {
		p.Fonts = render.SystemFonts()
	}
	return p
}

// shown says whether cells show their numbers.
func (o *pictureFlags) shown() render.Numbers {
	switch {
	case !o.changed("numbers"):
		return render.NumbersUsual
	case o.numbers:
		return render.NumbersShown
	}
	return render.NumbersHidden
}

// commandLine is the command as a shell reads it, without the output: the same picture has the same
// bytes wherever it is written, and shows nobody's folders.
func commandLine(args []string) string {
	words := []string{"mlxlens"}
	for _, a := range withoutOutput(args) {
		words = append(words, provenance.ShellWord(a))
	}
	return strings.Join(words, " ")
}

// withoutOutput are arguments but those that name the output.
func withoutOutput(args []string) (rest []string) {
	for i, a := range args {
		named := strings.HasPrefix(a, "--output=") || strings.HasPrefix(a, "-o") && !strings.HasPrefix(a, "--")
		if named || a == "--output" || i > 0 && (args[i-1] == "-o" || args[i-1] == "--output") {
			continue
		}
		rest = append(rest, a)
	}
	return rest
}
