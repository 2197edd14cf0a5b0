package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

type infoOptions struct {
	modelOptions
	json  bool
	all   bool
	ranks int
}

func newInfoCmd(s *streams) *cobra.Command {
	o := &infoOptions{}
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Describe a model: sizes, weights, and where each part was found",
		Long: `Info opens a model and prints its sizes in the words of the help topic sites, how
its weights are stored and held, what that takes in memory, and which sites it has.
With --all it also says why sites are lacking, and which module of the checkpoint each
part was found in, by which of the names that were tried.

With --ranks N it opens nothing, and says which layers each of N ranks would hold, and
the bytes of their weights in memory: of the layers, and of what each rank has beside
(docs/larger.md).`,
		Example: `  mlxlens info
  mlxlens info --all
  mlxlens info --ranks 2
  mlxlens info --json`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return runInfo(s, o) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "why each site that is lacking does, and where each part was found")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().IntVar(&o.ranks, "ranks", 0, "which layers so many ranks would hold, and how many bytes (0: describe the model)")
	o.shared.dealFlag(cmd)
	return cmd
}

func runInfo(s *streams, o *infoOptions) error {
	switch {
	case o.ranks < 0 || o.ranks == 1:
		return usagef("--ranks %d: want 2 or more, or 0 to describe the model", o.ranks)
	case o.ranks > 1 && s.served == nil:
		return runShares(s, o)
	}
	opened, err := o.open(s, false)
	if err != nil {
		return err
	}
	defer opened.Close()
	info := infoResult{Info: opened.Info, Tokenizer: opened.Tokenizer != nil}
	if opened.Tokenizer != nil {
		info.TokenizerVocab, info.AddsBOS = opened.Tokenizer.VocabSize(), opened.Tokenizer.AddsBOS()
	}
	paths := opened.Model.Paths()
	for _, site := range paths.Sites() {
		info.Sites = append(info.Sites, site.In(model.Ours))
	}
	for _, site := range model.Sites() {
		if why := paths.Lacks[site]; why != "" {
			info.Lacks = append(info.Lacks, lack{Site: string(site), Why: why})
			continue
		}
		info.Lacks = append(info.Lacks, layersWithout(paths, site)...)
	}
	if o.json {
		return render.WriteJSON(s.out, info)
	}
	return s.paged(func(w io.Writer) error { return info.print(w, o.all) })
}

// count writes a number of parameters: 135 M, 30.5 B.
func count(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.3g B", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.3g M", float64(n)/1e6)
	}
	return humanize.Comma(n)
}

// lack is a site that the architecture does not have, or that some layers do not.
type lack struct {
	Site   string `json:"site"`
	Why    string `json:"why"`
	Layers []int  `json:"layers,omitempty"` // without it; none: all
}

// layersWithout returns the layers that lack a site which others have, by the reason.
func layersWithout(paths model.Paths, site model.Site) []lack {
	var out []lack
	for layer, lacks := range paths.LayerLacks {
		why := lacks[site]
		if why == "" {
			continue
		}
		at := slices.IndexFunc(out, func(l lack) bool { return l.Why == why })
		if at < 0 {
			at = len(out)
			out = append(out, lack{Site: string(site), Why: why})
		}
		out[at].Layers = append(out[at].Layers, layer)
	}
	return out
}

// alike has sites that are lacked for one reason in one line.
func alike(lacks []lack) []lack {
	var out []lack
	for _, l := range lacks {
		at := slices.IndexFunc(out, func(o lack) bool { return o.Why == l.Why && slices.Equal(o.Layers, l.Layers) })
		if at < 0 {
			out = append(out, l)
			continue
		}
		out[at].Site += ", " + l.Site
	}
	return out
}

// ranges writes ascending numbers in short: 0–2, 4.
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(numbers[i])
		if j > i {
			part += "–" + strconv.Itoa(numbers[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

type infoResult struct {
	auto.Info
	Tokenizer      bool     `json:"tokenizer"`
	TokenizerVocab int      `json:"tokenizer_vocab,omitempty"`
	AddsBOS        bool     `json:"adds_bos"`
	Sites          []string `json:"sites"`
	Lacks          []lack   `json:"lacks"`
}

func (i *infoResult) print(to io.Writer, all bool) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", render.Visible(name), render.Visible(fmt.Sprintf(format, args...)))
	}
	line("model", "%s", i.Ref)
	line("type", "%s (%s, %s, %s)", i.Type, i.Format, english.Plural(len(i.Files), "file", ""), humanize.Bytes(uint64(i.DiskBytes)))
	line("layers", "%d", i.Shape.Layers)
	line("d_model", "%d", i.Shape.DModel)
	line("heads", "%d of %d dimensions, %d for keys and values", i.Shape.Heads, i.Shape.DHead, i.Shape.KVHeads)
	if len(i.Shape.Own) > 0 {
		line("sizes", "differ by layer: --json has those of each")
	}
	line("d_mlp", "%d", i.Shape.DMLP)
	if i.Shape.Experts > 0 {
		line("experts", "%d of %d dimensions, of which a token passes %d", i.Shape.Experts, i.Shape.DExpert, i.Shape.TopK)
	}
	line("d_vocab", "%d", i.Shape.DVocab)
	if i.Shape.MadeFor > 0 {
		line("context", "%d, and the model was made for %d", i.Shape.Context, i.Shape.MadeFor)
	} else {
		line("context", "%d", i.Shape.Context)
	}
	if i.Active > 0 {
		line("parameters", "%s, of which a token passes %s", count(i.Parameters), count(i.Active))
	} else {
		line("parameters", "%s", count(i.Parameters))
	}
	line("quantization", "%s", i.Quantization)
	line("weights", "%s, %s on the %s", i.Weights, humanize.Bytes(uint64(i.WeightBytes)), i.Device)
	switch {
	case !i.Tokenizer:
		line("tokenizer", "none: give prompts with --ids")
	case i.AddsBOS:
		line("tokenizer", "%s, adds BOS", english.Plural(i.TokenizerVocab, "token", ""))
	default:
		line("tokenizer", "%s, adds no BOS", english.Plural(i.TokenizerVocab, "token", ""))
	}
	i.sites(line, all)
	if !all {
		return w.Flush()
	}
	fmt.Fprintf(w, "\npart\tmodule\tfound by\tstored as\tshape\n")
	for _, m := range i.Modules {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\n", m.Role, render.Visible(m.Module), render.Visible(m.Rule), m.Form, m.Shape)
	}
	return w.Flush()
}

// sites are the lines on what can be read: in brief, or with why the others cannot.
func (i *infoResult) sites(line func(name, format string, args ...any), all bool) {
	if all {
		line("sites", "%s", strings.Join(i.Sites, " "))
		for _, l := range alike(i.Lacks) {
			if l.Layers == nil {
				line("lacks", "%s: %s", l.Site, l.Why)
				continue
			}
			line("lacks", "%s in layers %s: %s", l.Site, ranges(l.Layers), l.Why)
		}
		return
	}
	var in, others []string
	for _, site := range i.Sites {
		if name, perLayer := strings.CutPrefix(site, "layers.N."); perLayer {
			in = append(in, name)
		} else {
			others = append(others, site)
		}
	}
	name := "sites"
	for _, text := range []string{"in layers " + strings.Join(in, " "), "and " + strings.Join(others, " ")} {
		for _, part := range render.Flow(64, text) {
			line(name, "%s", part)
			name = ""
		}
	}
	lacking := map[string]bool{} // some of them in some layers alone
	for _, l := range i.Lacks {
		lacking[l.Site] = true
	}
	if len(lacking) > 0 {
		line("lacks", "%s that other models or layers have; --all says why", english.Plural(len(lacking), "site", ""))
	}
}
