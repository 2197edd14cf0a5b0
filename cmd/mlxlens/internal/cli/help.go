package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlxlens/mlxlens/lens/render"
)

// commandGroups are the parts of the list of commands, in their order.
var commandGroups = []struct{ id, title, commands string }{
	{"see", "See what a model computes:", "trace compare generate serve mcp capture tokenize"},
	{"experiment", "Find out what does it:", "patch attribute attn steer probe patchscope features decompose audit"},
	{"many", "Many prompts, and models larger than a machine:", "merge launch"},
	{"lens", "Make lenses:", "lens"},
	{"model", "Models and the library:", "pull models info doctor"},
	{"program", "The program:", "version licenses completion help"},
}

// flagGroups are the parts of a command's list of flags, in their order. A flag that is in none is
// one of the command's own, which come first.
var flagGroups = []struct{ title, flags string }{
	{"Prompt", "ids no-bos chat system messages continue"},
	{"Second side", "ids-b messages-b model-b weights-b lens-b edit-b align"},
	{"Rows and columns", "layers positions span last embed mid attn mlp"},
	{"Changes", "edit"},
	{"Model", "model device weights float32 context max-memory layers-per-rank rank-wait yes"},
	{"Screen", "view top color no-color width no-pager"},
	{"Output", "json export output format quiet"},
	{"Pictures", "picture style title picture-width font-size numbers layer-stride system-fonts"},
}

// valueNames are what stands for a flag's value in its help.
var valueNames = namesOfValues(map[string]string{
	"K/N":     "shard",
	"FILE":    "file output messages messages-b sae token-file vectors",
	"ADDRESS": "listen",
	"COUNTS":  "layers-per-rank",
	"NAME":    "host",
	"TIME":    "max-time finish rank-wait",
	"N":       "batch blame context continue dim-batch exact length max-tokens position prompts queue random rank ranks repetition-context rows samples seed skip skip-first steps to-position together tokens top top-k track warmup width window layer-stride",
	"X":       "clip l2 lr min-p momentum noise repetition-penalty temperature threshold top-p weight-decay",
	"REF":     "model model-b",
	"MODEL":   "against",
	"IDS":     "ids ids-b into-ids",
	"LAYERS":  "layers to-layers",
	"AT":      "positions keys from",
	"TURN":    "span",
	"TEXT":    "system title subject into stop name",
	"TOKEN":   "target vs baseline",
	"LENS":    "lens lens-b map",
	"EDIT":    "edit edit-b",
	"PLACE":   "to site-out",
	"PLACES":  "keep",
	"SITE":    "site",
	"SITES":   "sites",
	"SIZE":    "max-memory",
	"LENGTH":  "picture-width",
	"POINTS":  "font-size",
	"PART":    "held-out",
	"HEADS":   "heads",
	"FACTORS": "strengths",
	"FORMAT":  "format export",
	"KIND":    "picture knockout by measure weighted direction align",
	"KINDS":   "kinds",
	"METRIC":  "metric",
	"METHOD":  "method recipe optimizer",
	"VIEW":    "view",
	"WHEN":    "color",
	"STYLE":   "style",
	"DEVICE":  "device",
	"FORM":    "weights weights-b weights-against",
})

func namesOfValues(table map[string]string) map[string]string {
	names := map[string]string{}
	for name, flags := range table {
		for flag := range strings.FieldsSeq(flags) {
			names[flag] = name
		}
	}
	return names
}

// ValueName is what stands for a flag's value in its help, "" for a switch.
func ValueName(f *pflag.Flag) string {
	if f.Value.Type() == "bool" {
		return ""
	}
	return valueNames[f.Name]
}

// FlagUsage says what a flag does, with its default where that is something to tell.
func FlagUsage(f *pflag.Flag) string {
	usage := strings.ReplaceAll(f.Usage, "`", "")
	switch f.DefValue {
	case "", "false", "0", "[]":
		return usage
	}
	if strings.Contains(usage, "(default") || strings.Contains(usage, "the default") {
		return usage
	}
	return usage + " (default " + f.DefValue + ")"
}

// group puts the commands into their groups.
func group(root *cobra.Command) {
	for _, g := range commandGroups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range root.Commands() {
			if slices.Contains(strings.Fields(g.commands), c.Name()) {
				c.GroupID = g.id
			}
		}
	}
	root.SetHelpCommandGroupID("program")
	root.SetCompletionCommandGroupID("program")
}

// describe makes the help of all commands ours.
func describe(root *cobra.Command, s *streams) {
	group(root)
	width := func() int { return terminal(s.out) }
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), usage(cmd, width()))
		return err
	})
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		text := strings.TrimRight(cmd.Long, "\n")
		if text == "" {
			text = cmd.Short + "."
		}
		text = reflow(text, width())
		if cmd.Runnable() || cmd.HasSubCommands() {
			text += "\n\n" + usage(cmd, width())
		} else {
			text += "\n"
		}
		_ = s.paged(func(w io.Writer) error { // run sees what stdout could not take
			_, err := io.WriteString(w, text)
			return err
		})
	})
}

// usage is the part of a help that names commands, examples and flags.
func usage(cmd *cobra.Command, width int) string {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s [command]\n", cmd.CommandPath())
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	commandList(&b, cmd, width)
	flagList(&b, cmd, width)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nUse \"%s [command] --help\" for more information about a command.\n", cmd.CommandPath())
	}
	return b.String()
}

// commandList lists the commands below one in their groups, and the topics.
func commandList(b *strings.Builder, cmd *cobra.Command, width int) {
	room := 0
	for _, c := range cmd.Commands() {
		room = max(room, len(c.Name()))
	}
	list := func(title string, commands []*cobra.Command) {
		if len(commands) == 0 {
			return
		}
		fmt.Fprintf(b, "\n%s\n", title)
		for _, c := range commands {
			entry(b, c.Name(), c.Short, room, width)
		}
	}
	var topics, others []*cobra.Command
	in := map[string][]*cobra.Command{}
	for _, c := range cmd.Commands() {
		switch {
		case c.Hidden:
		case c.GroupID != "":
			in[c.GroupID] = append(in[c.GroupID], c)
		case !c.Runnable() && !c.HasSubCommands():
			topics = append(topics, c)
		default:
			others = append(others, c)
		}
	}
	for _, g := range commandGroups {
		order := strings.Fields(g.commands)
		slices.SortFunc(in[g.id], func(x, y *cobra.Command) int {
			return slices.Index(order, x.Name()) - slices.Index(order, y.Name())
		})
		list(g.title, in[g.id])
	}
	list("Commands:", others)
	list("Topics ("+cmd.Root().Name()+" help TOPIC):", topics)
}

// flagList lists a command's flags in their groups.
func flagList(b *strings.Builder, cmd *cobra.Command, width int) {
	cmd.InitDefaultHelpFlag()
	groupOf := map[string]string{"help": "Output"}
	for _, g := range flagGroups {
		for name := range strings.FieldsSeq(g.flags) {
			groupOf[name] = g.title
		}
	}
	in := map[string][]*pflag.Flag{}
	var all []*pflag.Flag
	room := 0
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			in[groupOf[f.Name]] = append(in[groupOf[f.Name]], f)
			all = append(all, f)
			room = max(room, len(flagName(f)))
		}
	}
	cmd.NonInheritedFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	list := func(title string, flags []*pflag.Flag) {
		if len(flags) == 0 {
			return
		}
		fmt.Fprintf(b, "\n%s:\n", title)
		for _, f := range flags {
			entry(b, flagName(f), FlagUsage(f), room, width)
		}
	}
	if len(all) < 5 {
		list("Flags", all)
		return
	}
	list("Flags", in[""])
	for _, g := range flagGroups {
		list(g.title, in[g.title])
	}
}

// entry is a name with what it means, broken to a terminal's width; in a pipe it is a line.
func entry(b *strings.Builder, name, means string, room, width int) {
	lines := []string{means}
	if text := width - room - 4; text >= 20 {
		lines = render.Flow(text, means)
	}
	for _, line := range lines {
		fmt.Fprintf(b, "  %-*s  %s\n", room, name, line)
		name = ""
	}
}

// flagName is how a flag is written, with what stands for its value.
func flagName(f *pflag.Flag) string {
	name := "    --" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", --" + f.Name
	}
	if value := ValueName(f); value != "" && f.NoOptDefVal != "" {
		return name + "[=" + value + "]"
	} else if value != "" {
		return name + " " + value
	}
	return name
}

// reflow breaks the paragraphs of a text anew where a terminal is narrower than they are. What is
// indented stands as it is.
func reflow(text string, width int) string {
	if width < 20 {
		return text
	}
	var out []string
	for _, paragraph := range strings.Split(text, "\n\n") {
		lines := strings.Split(paragraph, "\n")
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, " ") }) {
			lines = render.Flow(width, strings.Join(lines, " "))
		}
		out = append(out, strings.Join(lines, "\n"))
	}
	return strings.Join(out, "\n\n")
}
