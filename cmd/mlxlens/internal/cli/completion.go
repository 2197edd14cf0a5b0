package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/hub"
	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// A completer offers the values of a flag that begin with what is typed.
type completer = cobra.CompletionFunc

// complete offers a flag's values to the shell.
func complete(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, fixed(values...)) // fails for a flag that does not exist
}

func fixed[T ~string](values ...T) completer {
	var of []string
	for _, v := range values {
		of = append(of, string(v))
	}
	return cobra.FixedCompletions(of, cobra.ShellCompDirectiveNoFileComp)
}

// orFiles are values beside which a flag takes files.
func orFiles(values ...string) completer {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveDefault)
}

// completers are those of flags that several commands have; a command before the name makes it
// that command's alone.
func completers() map[string]completer {
	forms := fixed("auto", "packed", "dense")
	return map[string]completer{
		"device": fixed("auto", "cpu", "gpu"), "weights": forms, "weights-b": forms, "weights-against": forms,
		"model": completeModel, "model-b": completeModel, "against": completeModel,
		"metric": fixed(experiment.Metrics()...), "kinds": fixed(experiment.HeadKinds()...),
		"measure":  fixed(experiment.Share, experiment.Distance, experiment.MeanDiagonal),
		"knockout": fixed("head", "key", "all"), "weighted": fixed("output", "value"),
		"align": fixed("start", "end"), "shard": fixed[string](), "export": fixed("mlxterp", "logitlenskit"),
		"attribute by": fixed(append(experiment.Kinds(), "token")...), "audit by": fixed("tensor", "kind", "layer"),
		"direction": fixed("alone", "restored"), "attribute method": fixed("gradient", "ig"), "steer method": fixed(experiment.SteeringMethods()...),
		"recipe": fixed(tuned.Recipes()...), "optimizer": fixed(tuned.SGD, tuned.AdamW), "fit site": fixed(model.ResidPost, model.ResidPre),
		"lens": orFiles("logit", "embed", "negated"), "lens-b": orFiles("none", "logit", "embed", "negated"),
		"site": completeSites, "sites": completeSites, "features site": completePlaces, "site-out": completePlaces,
		"keep": completePlaces, "to": completePlaces, "edit": completeEdit, "edit-b": completeEdit,
	}
}

// offer gives the flags of a command and of those below it what they complete to.
func offer(cmd *cobra.Command) {
	of := completers()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if complete := of[cmd.Name()+" "+f.Name]; complete != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // fails where the command has registered one
		} else if complete := of[f.Name]; complete != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, complete)
		}
	})
	if strings.Contains(cmd.Use, "[prompt]") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, below := range cmd.Commands() {
		offer(below)
	}
}

// completeModel offers what -m takes, beside files.
func completeModel(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var refs []string
	for _, t := range localModels() {
		refs = append(refs, t.ref)
	}
	if c, err := newCache(); err == nil {
		if models, err := c.List(); err == nil {
			for _, m := range models {
				refs = append(refs, m.Repo)
			}
		}
	}
	return refs, cobra.ShellCompDirectiveDefault
}

// sitesOf are the sites of the model that the command line names, or that is opened without; all sites where it is
// not there, or cannot be opened.
func sitesOf(cmd *cobra.Command) []model.Site {
	o := &modelOptions{}
	if f := cmd.Flags().Lookup("model"); f != nil {
		o.ref = f.Value.String()
	}
	ref, _, _ := o.choose()
	if _, err := os.Stat(ref); err != nil {
		ref = cachedPath(ref)
	}
	if have, err := auto.Sites(ref); err == nil {
		return have
	}
	return model.Sites()
}

// cachedPath is where the cache has a model, "" where it has none.
func cachedPath(name string) string {
	ref, err := hub.ParseRef(name)
	if err != nil {
		return ""
	}
	c, err := newCache()
	if err != nil {
		return ""
	}
	snapshot, err := c.Find(ref)
	if err != nil {
		return ""
	}
	return snapshot.Path
}

// completeSites offers sites of layers, after those before the last comma.
func completeSites(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, site := range sitesOf(cmd) {
		if site.PerLayer() {
			names = append(names, string(site))
		}
	}
	return completeList(names)(cmd, args, typed)
}

// completeList offers words of a list with commas.
func completeList(words []string) completer {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndex(typed, ",")+1]
		var out []string
		for _, w := range words {
			if strings.HasPrefix(before+w, typed) {
				out = append(out, before+w)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

var layerPrefix = regexp.MustCompile(`^layers\.[^.]*\.`)

// places are those of some sites that go on with what is typed of one: in the layers that it names, or in all.
func places(sites []model.Site, typed string) []string {
	layers := layerPrefix.FindString(typed)
	if layers == "" {
		layers = "layers.*."
	}
	var out []string
	for _, site := range sites {
		if site.PerLayer() {
			out = append(out, layers+string(site))
		} else {
			out = append(out, string(site))
		}
	}
	return out
}

// completePlaces offers places, after those before the last comma.
func completePlaces(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return completeList(places(sitesOf(cmd), typed[strings.LastIndex(typed, ",")+1:]))(cmd, args, typed)
}

// completeEdit offers the place of an edit, and after the = what may be done there.
func completeEdit(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var all []string
	if place, _, done := strings.Cut(typed, "="); !done {
		all = places(sitesOf(cmd), typed)
	} else {
		for _, op := range edit.Ops() {
			all = append(all, place+"="+string(op))
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, typed) })
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
