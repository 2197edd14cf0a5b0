package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens"
	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/serve"
	"github.com/mlxlens/mlxlens/serve/mcp"
)

// maxToolAnswer is how many bytes an answer to a client of the Model Context Protocol may have: clients that
// read a message of 16 MiB at most are common, and a picture grows by a third on the way.
const maxToolAnswer = 10 << 20

func newMCPCmd(s *streams) *cobra.Command {
	o := &servedOptions{}
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Give a model to the tools of Claude, VS Code and others (Model Context Protocol)",
		Long: `Mcp answers a client of the Model Context Protocol on stdin and stdout: a program with a
language model that uses tools, such as Claude Desktop, Claude Code, VS Code or Cursor. The
client starts it by a line of its configuration, and so it is not run by hand; docs/mcp.md
has the lines.

There is a tool for each of info, tokenize, trace, generate, chat, patch, attn, attribute,
compare, patchscope, decompose, capture and steer. Its arguments are the prompts and the
command's flags, with underscores for hyphens; its answer is what the command prints with
--json, as structured content, or a picture with "format": "png".

The model begins to be opened at once, and the client need not wait for it: only the first
call does. A model that cannot be opened is the error of each call, until it can.

One call is computed at a time, and the others wait in line. Calls name lenses, vectors and
second models that the program was started with, and no other files. Nothing but the
protocol is on stdout; on stderr stands what the client may show in a log.`,
		Example: `  mlxlens mcp -m mlx-community/Llama-3.2-1B-Instruct-4bit
  mlxlens mcp -m ./model --lens tuned.safetensors --vectors mood.safetensors`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runMCP(cmd.Context(), s, o) },
	}
	o.flags(cmd)
	return cmd
}

// runMCP answers a client until it leaves.
func runMCP(ctx context.Context, s *streams, o *servedOptions) error {
	if err := o.checkFlags(); err != nil {
		return err
	}
	if isTerminal(s.in) {
		s.say("waiting for a client of the Model Context Protocol on stdin, which starts this program by itself (docs/mcp.md); Ctrl-C ends it")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e := openingEngine(ctx, s, o)
	service := serve.New(e, serve.Options{Waiting: o.waiting, Time: o.maxTime, Answer: maxToolAnswer})
	defer func() {
		cancel()                               // a download
		_ = service.Stop(ctx)                  // what runs, which nobody waits for
		_ = service.Stop(context.Background()) // until nothing runs on the models any more
		e.close()
	}()
	server := mcp.NewServer(service, mcp.Options{Name: "mlxlens", Version: programVersion(), Instructions: o.instructions(), Schema: mlxlens.Schema})
	return mcp.Serve(ctx, server, s.in, s.out)
}

// instructions are what the model that uses the tools is told before it does.
func (o *servedOptions) instructions() string {
	var b strings.Builder
	b.WriteString("mlxlens shows what a language model computes: the logit lens of a prompt layer by layer (trace), generation with it, activation patching, attention, attribution, comparison, steering directions. " +
		"Call info first: it says which model is loaded, and how many layers and heads it has. Answers grow with layers × positions × top; begin with {\"prompt\": \"…\", \"last\": true}. " +
		"Layers count from 0, and -1 is the last; \"layers\": \"0:30:6\" is a range with a step. An edit such as \"layers.3.mlp_out=zero\" changes what passes a place.")
	for _, has := range []struct {
		what  string
		names []string
	}{{"lenses beside logit, embedding and negated", o.lenses}, {"files that edits may read", o.vectors}, {"second models, for model_b of compare", o.modelsB}} {
		if len(has.names) > 0 {
			fmt.Fprintf(&b, " There are %s: %s.", has.what, strings.Join(has.names, ", "))
		}
	}
	return b.String()
}

// opening is an engine whose models are opened while it is already asked. A failure is the answer to who
// waits for it, and the next request tries again: the model may have been fetched by then.
type opening struct {
	ctx      context.Context
	commands []serve.Command
	open     func() (*engine, func(), error)

	mu  sync.Mutex
	try *attempt
}

// attempt is one to open the models.
type attempt struct {
	ended  chan struct{} // closed when the others are known
	engine *engine
	done   func()
	err    error
}

// openingEngine begins to open what the flags name.
func openingEngine(ctx context.Context, s *streams, o *servedOptions) *opening {
	own := &streams{ctx: ctx, args: s.args, in: strings.NewReader(""), out: io.Discard, err: s.err, answer: output.Stdout(io.Discard), pager: s.pager} // stdin and stdout are the client's
	e := &opening{ctx: ctx, commands: describedEndpoints(), open: func() (*engine, func(), error) {
		v, done, err := o.openAll(own)
		if err != nil {
			return nil, nil, err
		}
		return newEngine(v, o.maxMemory), done, nil
	}}
	e.attempt()
	return e
}

// attempt is the one that runs, or has opened the models, or else a new one.
func (e *opening) attempt() *attempt {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.try != nil {
		select {
		case <-e.try.ended:
			if e.try.err == nil {
				return e.try
			}
		default:
			return e.try
		}
	}
	a := &attempt{ended: make(chan struct{})}
	e.try = a
	go func() {
		defer close(a.ended)
		a.engine, a.done, a.err = e.open()
	}()
	return a
}

// close ends what is open. Nobody asks any more.
func (e *opening) close() {
	<-e.try.ended
	if e.try.done != nil {
		e.try.done()
	}
}

// Commands are known before a model is.
func (e *opening) Commands() []serve.Command { return e.commands }

// Loaded is what a request may name; nil until it is open.
func (e *opening) Loaded() any {
	a := e.attempt()
	select {
	case <-a.ended:
		if a.err == nil {
			return a.engine.Loaded()
		}
	default:
	}
	return nil
}

// Run runs a command once the models are open.
func (e *opening) Run(ctx context.Context, call serve.Call, answer io.Writer, w serve.Watch) error {
	a := e.attempt()
	select {
	case <-a.ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if a.err != nil && exitCode(a.err) == exitUsage {
		return &serve.Refusal{Err: a.err}
	}
	if a.err != nil {
		return a.err
	}
	call.Args = a.engine.opens(call)
	if w.Ran != nil {
		w.Ran(call.Args)
	}
	return a.engine.Run(ctx, call, answer, w)
}
