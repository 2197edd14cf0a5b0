package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/serve"
)

type serveOptions struct {
	servedOptions
	listen    string
	tokenFile string
	hosts     []string
	finish    time.Duration
}

func newServeCmd(s *streams) *cobra.Command {
	o := &serveOptions{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Load a model once, and explore it in a browser or over HTTP",
		Long: `Serve loads a model and answers requests until it is stopped: a page to explore with at
the address that it prints, and an HTTP API under /api/v1/ with an endpoint for each of
info, tokenize, trace, generate, chat, patch, attn, attribute, compare, patchscope,
decompose, capture and steer. A request is a JSON object whose keys are the prompts and the
command's flags, with underscores for hyphens; the answer is what the command prints with
--json, or in another "format". With "Accept: text/event-stream" it comes as events while it
is computed. /api/v1/openapi.json
describes all of it, and so does docs/serve.md.

One request is computed at a time, and the others wait in line. Ctrl-C and SIGTERM finish
what runs and waits, a second one stops at once.

Only this machine can reach the server, unless --listen names another address; then each
request needs a token, which is printed or read from --token-file. Nothing is encrypted:
put a proxy with TLS before a server that others reach through a network.

Requests name lenses, vectors and second models that the server was started with, and no
other files. On ranks (mlxlens launch, mlx.launch) the first one listens, and all compute.`,
		Example: `  mlxlens serve
  mlxlens serve --listen 127.0.0.1:9000 --lens tuned.safetensors --vectors mood.safetensors
  mlxlens serve --listen 0.0.0.0:8642 --host lab.example --token-file token.txt`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runServe(cmd.Context(), s, o) },
	}
	o.servedOptions.flags(cmd)
	o.shared.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8642", "the address and port; port 0 takes a free one")
	f.StringVar(&o.tokenFile, "token-file", "", "a file with the token that requests must bear (default: made up and printed, and none on loopback)")
	f.StringArrayVar(&o.hosts, "host", nil, "a name by which the server is reached, beside its addresses and localhost (repeatable)")
	f.DurationVar(&o.finish, "finish", 30*time.Second, "how long requests may be finished when the server is stopped")
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *serveOptions) checkFlags() error {
	if o.finish <= 0 {
		return usagef("--finish %v: want more than 0", o.finish)
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return usagef("--listen %q: want an address and a port, such as 127.0.0.1:8642 (%w)", o.listen, err)
	}
	return o.servedOptions.checkFlags()
}

// maxToken is how many bytes a file of a token may have.
const maxToken = 4096

// token reads what requests must bear, or makes it up where others can reach the server.
func (o *serveOptions) token(at net.Addr) (token string, made bool, err error) {
	if o.tokenFile != "" {
		f, err := regular.OpenText(o.tokenFile, maxToken, maxToken)
		if err != nil {
			return "", false, failf("--token-file: %w", err)
		}
		defer f.Close()
		text, err := io.ReadAll(f)
		if token = strings.TrimSpace(string(text)); err == nil && len(token) < 16 {
			err = errors.New("want 16 characters or more, and nobody else to know them")
		}
		if err != nil {
			return "", false, failf("--token-file %q: %w", o.tokenFile, err)
		}
		return token, false, nil
	}
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return "", false, nil
	}
	return serve.NewToken(), true, nil
}

// runServe opens what requests may name, and answers them.
func runServe(ctx context.Context, s *streams, o *serveOptions) error {
	if err := o.checkFlags(); err != nil {
		return err
	}
	if s.rank > 0 {
		return runFollower(ctx, s, o)
	}
	l, err := net.Listen("tcp", o.listen) // a taken port is known before a model is loaded
	if err != nil {
		return failf("--listen: %w", err)
	}
	defer l.Close()
	token, made, err := o.token(l.Addr())
	if err != nil {
		return err
	}
	v, done, err := o.openAll(s)
	if err != nil {
		return err
	}
	defer done()
	so := serve.Options{Waiting: o.waiting, Time: o.maxTime}
	if !o.quiet {
		so.Log = slog.New(slog.NewTextHandler(s.err, nil))
	}
	address := "http://" + reached(l.Addr()) + "/"
	switch {
	case made:
		address += "#token=" + token
	case token != "" && !o.quiet: // whose file keeps it out of logs and of what is printed
		s.say("open %s#token=TOKEN, or send \"Authorization: Bearer TOKEN\", where TOKEN is what %s has", address, o.tokenFile)
	}
	stopping := stops(ctx) // before anyone reads where it is: who does may stop it at once
	if _, err := fmt.Fprintln(s.out, address); err != nil {
		return err
	}
	e := newEngine(v, o.maxMemory)
	return e.onRanks(ctx, s, func(ctx context.Context) error {
		return serve.New(e, so).Serve(ctx, l, serve.Door{Token: token, Names: o.hosts}, stopping, o.finish)
	})
}

// reached is an address that a browser on this machine can open: of one that stands for all, localhost.
func reached(at net.Addr) string {
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return at.String()
}
