package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/mlxlens/mlxlens/lens"
)

// An Engine runs commands on models that are loaded. A Service lets one run at a time.
type Engine interface {
	// Commands are those that it has.
	Commands() []Command

	// Loaded describes what is loaded, for JSON: models, lenses and vectors.
	Loaded() any

	// Run runs a command, and writes its answer. The end of ctx ends it, between layers and tokens.
	// An error of what was asked is a Refusal.
	Run(ctx context.Context, call Call, answer io.Writer, w Watch) error
}

// A Watch follows a run. Any of its functions may be nil; they are called one after another.
type Watch struct {
	Queued   func(place int)          // in line; 1 is the next
	Note     func(text string)        // a remark that the command line makes on stderr
	Progress func(done float64)       // the part of the work that is done
	Part     func(columns *lens.Grid) // columns of a grid that have just been read
	Line     func(line []byte)        // a JSON object of an answer in lines
	Words    func(text string)        // what the command line prints of an answer in JSON to who reads it
	Ran      func(args []string)      // what is run, where the engine adds to the call's arguments
}

// Options bound what requests take; 0 is the default.
type Options struct {
	Log *slog.Logger // gets a line a request, without what was asked, and what the program did wrong; nil: none

	Waiting  int           // requests in line; 64
	Time     time.Duration // of a request's work; 10 minutes
	Answer   int64         // bytes of an answer; 256 MiB
	Patience time.Duration // in which a client reads the next piece of an answer, and half of that in which it asks; 30 seconds
}

func (o *Options) defaults() {
	if o.Waiting == 0 {
		o.Waiting = 64
	}
	if o.Time == 0 {
		o.Time = 10 * time.Minute
	}
	if o.Answer == 0 {
		o.Answer = 256 << 20
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
}

// A Service runs the commands of an engine for all who ask, one at a time. Its methods may be called
// from any goroutine.
type Service struct {
	engine   Engine
	o        Options
	commands []Command
	queue    *queue
	metrics  *metrics
	log      *slog.Logger    // nil: none
	work     context.Context // ends when what runs is to be stopped
	stop     context.CancelFunc
}

// New puts an engine behind a line.
func New(e Engine, o Options) *Service {
	o.defaults()
	s := &Service{engine: e, o: o, commands: e.Commands(), queue: newQueue(o.Waiting), metrics: newMetrics(), log: o.Log}
	s.work, s.stop = context.WithCancel(context.Background())
	return s
}

// Commands are those that Run knows.
func (s *Service) Commands() []Command { return slices.Clone(s.commands) }

// Loaded describes what is loaded, for JSON.
func (s *Service) Loaded() any { return s.engine.Loaded() }

// command finds one by its name.
func (s *Service) command(name string) (*Command, bool) {
	at := slices.IndexFunc(s.commands, func(c Command) bool { return c.Name == name })
	if at < 0 {
		return nil, false
	}
	return &s.commands[at], true
}

// An Answer is what a command printed.
type Answer struct {
	Format string // json, or as the request named it
	Lines  bool   // it is a JSON object a line
	Body   []byte
	Notes  []string // remarks
	Args   []string // the same on the command line
}

// Run runs a command by the text of a JSON object, whose keys are those of [Command]. It waits in line
// until those before are done. Errors of what was asked are a [Refusal].
func (s *Service) Run(ctx context.Context, name string, request []byte, w Watch) (*Answer, error) {
	c, ok := s.command(name)
	if !ok {
		return nil, refuse("there is no command %q", name)
	}
	start := time.Now()
	a, err := s.run(ctx, c, request, w)
	s.metrics.done(name, err, time.Since(start))
	return a, err
}

func (s *Service) run(ctx context.Context, c *Command, request []byte, w Watch) (*Answer, error) {
	call, err := c.call(request)
	if err != nil {
		return nil, err
	}
	if err := s.queue.enter(ctx, w.Queued); err != nil {
		return nil, err
	}
	defer s.queue.leave()
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Time, fmt.Errorf("%w of %v", errTime, s.o.Time))
	defer cancel()
	defer context.AfterFunc(s.work, cancel)()

	a := &Answer{Format: call.Format, Lines: c.Streams && call.Format == "json", Args: call.Args}
	out := &answerWriter{most: s.o.Answer}
	if a.Lines {
		out.line = w.Line
	}
	note := w.Note
	w.Note = func(text string) {
		a.Notes = append(a.Notes, text)
		if note != nil {
			note(text)
		}
	}
	w.Ran = func(args []string) { a.Args = args }
	start := time.Now()
	err = s.guarded(ctx, call, out, w)
	s.metrics.worked(time.Since(start))
	if err != nil && s.work.Err() != nil {
		return nil, errClosed
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	a.Body = out.text.Bytes()
	return a, err
}

// errTime is the end of a request that takes too long.
var errTime = errors.New("the request has taken more than its time")

// guarded runs a call, whose panic is an error.
func (s *Service) guarded(ctx context.Context, call Call, out io.Writer, w Watch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	return s.engine.Run(ctx, call, out, w)
}

// panicked is a mistake of the program's, which ends one request.
type panicked struct {
	what  any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("the program made a mistake: %v", p.what) }

// Stop lets no request in any more, and waits for those that are there, until ctx ends: then they are
// stopped.
func (s *Service) Stop(ctx context.Context) error {
	s.queue.close()
	select {
	case <-s.queue.idle:
		s.stop()
		return nil
	case <-ctx.Done():
		s.stop()
		return context.Cause(ctx)
	}
}

// answerWriter keeps an answer up to a size, and tells of its lines.
type answerWriter struct {
	text bytes.Buffer // a field, so that nothing is written but by Write
	most int64
	line func([]byte)
	told int
}

func (a *answerWriter) Write(p []byte) (int, error) {
	if int64(a.text.Len()+len(p)) > a.most {
		return 0, fmt.Errorf("%w, %d bytes: ask for fewer layers, positions or candidates", errLarge, a.most)
	}
	a.text.Write(p)
	if a.line == nil {
		return len(p), nil
	}
	for {
		rest := a.text.Bytes()[a.told:]
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return len(p), nil
		}
		if line := rest[:end]; json.Valid(line) {
			a.line(line)
		}
		a.told += end + 1
	}
}
