package cli

import (
	"context"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/serve"
)

// engine runs commands of the command line on models that are open. A request is read, checked and
// refused by the command itself.
type engine struct {
	served    *served
	digests   map[*auto.Opened]string
	maxMemory string
	commands  []serve.Command
	ranks     *model.Ranks // that run a request together; nil: this process does
	rank      int
	telling   sync.Mutex // of the ranks
}

// conversations are what stands for a first prompt and a second.
var conversations = []serve.JSON{{Key: "messages", Flag: "messages"}, {Key: "messages_b", Flag: "messages-b"}}

// endpoints are the commands that a server has, with what their flags do not say.
var endpoints = []serve.Command{
	{Name: "info", Runs: "info"},
	{Name: "tokenize", Runs: "tokenize", Prompts: []string{"text"}, JSON: conversations[:1]},
	{Name: "trace", Runs: "trace", Prompts: []string{"prompt"}, JSON: conversations[:1], Schema: lens.TraceSchema},
	{Name: "generate", Runs: "generate", Prompts: []string{"prompt"}, Streams: true},
	{Name: "chat", Runs: "generate", JSON: []serve.JSON{{Key: "messages", Flag: "messages", Needed: true}}, Streams: true},
	{Name: "patch", Runs: "patch", Prompts: []string{"clean", "corrupted"}, JSON: conversations, Schema: experiment.PatchSchema},
	{Name: "attn", Runs: "attn", Prompts: []string{"prompt"}, JSON: conversations[:1], Schema: experiment.AttentionSchema},
	{Name: "attribute", Runs: "attribute", Prompts: []string{"prompt", "corrupted"}, JSON: conversations, Schema: experiment.AttributeSchema},
	{Name: "compare", Runs: "compare", Prompts: []string{"prompt", "prompt_b"}, JSON: conversations, Schema: lens.CompareSchema},
	{Name: "patchscope", Runs: "patchscope", Prompts: []string{"prompt"}, Schema: experiment.PatchscopeSchema},
	{Name: "decompose", Runs: "decompose", Prompts: []string{"prompt"}, Schema: experiment.DecomposeSchema},
	{Name: "capture", Runs: "capture", Prompts: []string{"prompt"}, JSON: conversations[:1]},
	{Name: "steer", Runs: "steer", Prompts: []string{"prompt"}, JSON: []serve.JSON{{Key: "pairs", Flag: "file", Needed: true}}, Schema: experiment.SteerSchema},
}

// withheld are flags that are no matter of a request: what is opened, where an answer goes and how a
// terminal shows it, and files.
var withheld = []string{
	"model", "device", "weights", "float32", "weights-b", "context", "layers-per-rank", "rank-wait", "ranks", "yes", "quiet", "any-unembedding", "lens-b", "file", "shard", "together", "output", "format", "json", "max-memory", "messages", "messages-b",
	"view", "width", "no-color", "color", "all", "edit-any-unembedding", "system-fonts", "text", "help",
}

// kinds are the kinds of flags.
var kinds = map[string]serve.Kind{
	"string": serve.Text, "int": serve.Integer, "uint64": serve.Integer, "float64": serve.Number, "bool": serve.Truth, "stringArray": serve.List, "stringSlice": serve.List,
}

// most bounds flags whose number is how much there is to do, or to answer.
var most = map[string]int{"max-tokens": 4096, "continue": 4096, "top": 100, "track": 100, "samples": 1000, "steps": 1000, "exact": 1000, "random": 2048, "tokens": 64}

// newEngine makes an engine of models that are open.
func newEngine(v *served, maxMemory string) *engine {
	e := &engine{served: v, digests: map[*auto.Opened]string{}, maxMemory: maxMemory, commands: describedEndpoints()}
	root := newRootCmd(&streams{})
	for i := range e.commands {
		cmd, _, _ := root.Find([]string{e.commands[i].Runs})
		for _, flag := range append([]string{"--model=" + v.opened.Info.Ref}, v.asOpened...) { // with which the command line opens the same
			if name, _, _ := strings.Cut(flag, "="); cmd.Flags().Lookup(strings.TrimPrefix(name, "--")) != nil {
				e.commands[i].With = append(e.commands[i].With, flag)
			}
		}
	}
	return e
}

// keys are what requests for a command call flags.
func keys(c *serve.Command) naming {
	return func(flag string) (string, bool) {
		if flag == "prompt" && len(c.Prompts) > 0 { // an argument of the command line
			return strconv.Quote(c.Prompts[0]), true
		}
		key, ok := c.KeyOf(flag)
		return strconv.Quote(key), ok
	}
}

// describedEndpoints are the endpoints with what the flags of their commands say.
func describedEndpoints() []serve.Command {
	var all []serve.Command
	root := newRootCmd(&streams{})
	for _, c := range endpoints {
		cmd, _, err := root.Find([]string{c.Runs})
		if err != nil {
			panic(err) // the table names a command that does not exist
		}
		describeEndpoint(&c, cmd)
		all = append(all, c)
	}
	return all
}

// describeEndpoint takes what a command's flags say.
func describeEndpoint(c *serve.Command, cmd *cobra.Command) {
	c.Short = cmd.Short
	if cmd.Flags().Lookup("json") != nil {
		c.Formats = []string{"json"}
	}
	drawn := cmd.Flags().Lookup("view") != nil && (c.Runs == "trace" || c.Runs == "compare")
	if f := cmd.Flags().Lookup("format"); f != nil {
		_, formats, _ := strings.Cut(f.Usage, ": ")
		for _, format := range strings.Split(formats, ", ") {
			if !slices.Contains([]string{"json", "jsonl"}, format) {
				c.Formats = append(c.Formats, format)
			}
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || slices.Contains(withheld, f.Name) && !(f.Name == "view" && drawn) {
			return
		}
		o := serve.Option{Name: f.Name, Kind: kinds[f.Value.Type()], Means: f.Usage, Default: f.DefValue}
		if o.Kind == serve.Text {
			o.Alone = f.NoOptDefVal
		}
		c.Options = append(c.Options, o)
	})
	for i := range c.Options {
		c.Options[i].Means = keys(c).in(c.Options[i].Means)
	}
}

// Commands are those of the table.
func (e *engine) Commands() []serve.Command { return e.commands }

// loaded is what a request may name.
type loaded struct {
	Models  []string `json:"models"` // the first is the one that a request is of
	Lenses  []string `json:"lenses"`
	Vectors []string `json:"vectors"`
	Version string   `json:"version"`
}

// Loaded is what a request may name.
func (e *engine) Loaded() any {
	l := loaded{Models: []string{e.served.opened.Info.Ref}, Lenses: []string{logitLens, embeddingLens, negatedLens}, Vectors: append([]string{}, e.served.vectors...), Version: programVersion()}
	l.Models = append(l.Models, slices.Sorted(maps.Keys(e.served.others))...)
	l.Lenses = append(l.Lenses, slices.Sorted(maps.Keys(e.served.lenses))...)
	return l
}

// Run runs a command line on the models that are open. What it says names the keys of the request.
func (e *engine) Run(ctx context.Context, call serve.Call, answer io.Writer, w serve.Watch) error {
	run := e.run
	if e.ranks != nil {
		run = e.lead
	}
	err := run(ctx, call, answer, w)
	if err == nil {
		return nil
	}
	said := &reworded{err, e.keysOf(call).of(err)}
	if exitCode(err) == exitUsage {
		return &serve.Refusal{Err: said}
	}
	return said
}

// opens are the arguments of a call that was made before the models were open, with those that open the same.
func (e *engine) opens(call serve.Call) []string {
	at := slices.IndexFunc(e.commands, func(c serve.Command) bool { return c.Name == call.Command })
	return slices.Concat(call.Args[:1], e.commands[at].With, call.Args[1:])
}

// keysOf are what a request calls the flags of its command.
func (e *engine) keysOf(call serve.Call) naming {
	at := slices.IndexFunc(e.commands, func(c serve.Command) bool { return c.Name == call.Command })
	return keys(&e.commands[at])
}

// run runs it in this process.
func (e *engine) run(ctx context.Context, call serve.Call, answer io.Writer, w serve.Watch) error {
	if err := bounded(call.Args); err != nil {
		return err
	}
	s := &streams{
		ctx: ctx, args: call.Args, in: strings.NewReader(""), out: answer, err: io.Discard, answer: output.Stdout(answer),
		digests: e.digests, served: e.served, naming: e.keysOf(call), ranks: e.ranks, rank: e.rank, watch: watch{note: w.Note, progress: w.Progress, part: w.Part, words: w.Words},
	}
	if s.watch.progress == nil {
		s.watch.progress = func(float64) {} // layers are computed one by one, and the context is looked at between
	}
	args := call.Args
	if cmd, _, err := newRootCmd(s).Find(args[:1]); err == nil && e.maxMemory != "" && cmd.Flags().Lookup("max-memory") != nil {
		args = slices.Insert(slices.Clone(args), 1, "--max-memory="+e.maxMemory)
	}
	root := newRootCmd(s)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(answer)
	root.SetErr(io.Discard)
	ctx = context.WithValue(ctx, stoppingKey{}, nil) // a signal is the server's: an answer is whole, or an error
	err := mlx.Do(ctx, func() error { return root.ExecuteContext(ctx) })
	mlx.TrimCache() // the next request has other sizes
	return err
}

// bounded refuses numbers that are more than a server does for one request.
func bounded(args []string) error {
	for _, arg := range args {
		if arg == "--" {
			return nil
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if limit, ok := most[name]; ok {
			if n, err := strconv.Atoi(value); err == nil && n > limit {
				return usagef("%v %d: a server does at most %d for a request", theFlag(name), n, limit)
			}
		}
	}
	return nil
}
