package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// quiet is after how long without an event a comment keeps the connection open.
const quiet = 15 * time.Second

// events writes server-sent events (HTML Living Standard, 9.2). What computes them does not wait for the
// client: they are kept until it reads them, up to a size, and a client that reads too slowly is dropped.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	drop    context.CancelCauseFunc

	patience time.Duration // of the server's

	mu      sync.Mutex
	begun   bool          // there has been an event
	failed  bool          // there is no client any more
	pending bytes.Buffer  // what is not written
	more    chan struct{} // there is something pending
	written chan struct{} // closed when all is written
}

// mostPending is how many bytes may wait for a client when another event comes.
const mostPending = 32 << 20

// errSlow is why a client is dropped.
var errSlow = fmt.Errorf("the client did not read its events: %w", context.Canceled)

// begin writes the headers, before the first event, and begins to pass on what is pending.
func (e *events) begin() {
	if e.begun {
		return
	}
	e.begun = true
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // of a proxy
	e.more, e.written = make(chan struct{}, 1), make(chan struct{})
	go e.pass()
}

// pass writes what is pending, until there is nothing more to come.
func (e *events) pass() {
	defer close(e.written)
	for range e.more {
		e.mu.Lock()
		text := bytes.Clone(e.pending.Bytes())
		e.pending.Reset()
		e.mu.Unlock()
		err := written(e.w, e.control, text, e.patience)
		if err == nil {
			err = e.control.Flush()
		}
		if err != nil {
			e.mu.Lock()
			e.fail()
			e.mu.Unlock()
			return
		}
	}
}

// fail gives the client up.
func (e *events) fail() {
	e.failed = true
	e.drop(errSlow)
}

// end waits until the client has all.
func (e *events) end() {
	e.mu.Lock()
	begun := e.begun && e.more != nil
	if begun && !e.failed {
		close(e.more)
	}
	e.failed = true // nothing is written behind the end
	e.mu.Unlock()
	if begun {
		<-e.written
	}
}

// refuse answers with a problem where no event has been written; false where one has.
func (e *events) refuse(p *problem) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.begun {
		return false
	}
	e.begun, e.failed = true, true
	p.write(e.w)
	return true
}

// write keeps an event for the client, or a comment for no name. Data is one line of JSON.
func (e *events) write(name string, data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed {
		return
	}
	e.begin()
	if e.pending.Len() > mostPending {
		e.fail()
		return
	}
	if name == "" {
		e.pending.WriteString(":\n\n")
	} else {
		fmt.Fprintf(&e.pending, "event: %s\ndata: %s\n\n", name, data)
	}
	select {
	case e.more <- struct{}{}:
	default: // it has been told
	}
}

// send writes an event of a value.
func (e *events) send(name string, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) == nil { // all that is sent can be written
		e.write(name, bytes.TrimRight(b.Bytes(), "\n"))
	}
}

// keepOpen writes a comment now and then, until the function that it returns is called.
func (e *events) keepOpen() func() {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(quiet)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				e.write("", nil)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// stream answers with events, or with a problem when nothing came before it: queued {place}, note {text}, progress {done}, columns (a grid of them),
// token (a line), and at last result or problem.
func (s *Service) stream(w http.ResponseWriter, r *http.Request, c *Command, body []byte) {
	ctx, drop := context.WithCancelCause(r.Context())
	defer drop(nil)
	e := &events{w: w, control: http.NewResponseController(w), drop: drop, patience: s.o.Patience}
	defer e.end()
	defer e.keepOpen()()
	paged := newPaged(r, e, c.Streams)
	watch := Watch{
		Queued:   func(place int) { e.send("queued", map[string]int{"place": place}) },
		Note:     func(text string) { e.send("note", map[string]string{"text": text}) },
		Progress: everySoOften(func(done float64) { e.send("progress", map[string]float64{"done": done}) }),
		Part:     paged.part,
		Line:     func(line []byte) { e.write("token", line) },
	}
	a, err := s.Run(ctx, c.Name, body, watch)
	if err != nil {
		if p := s.newProblem(err); !e.refuse(p) {
			e.send("problem", p)
		}
		return
	}
	paged.end(c, a)
	e.write("result", result(a, paged.view == "", paged.so))
}

// result is the data of the last event: the answer, where it is one JSON value that has not been shown, or how
// to read it. The grid of a text, which the page has seen in the form of the page, comes as it is, to be drawn.
func result(a *Answer, whole bool, of *lens.Grid) []byte {
	head := map[string]any{"format": a.Format, "command": a.Args}
	switch {
	case a.Lines:
		head["lines"] = bytes.Count(a.Body, []byte("\n"))
		if of != nil {
			head["grid"] = of
		}
	case !whole:
	case a.Format == "json" && json.Valid(a.Body):
		head["answer"] = json.RawMessage(bytes.TrimSpace(a.Body))
	case strings.HasPrefix(types[a.Format], "text/") || a.Format == "svg":
		head["text"] = string(a.Body)
	default:
		head["base64"] = base64.StdEncoding.EncodeToString(a.Body)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(head) // texts, numbers and JSON
	return bytes.TrimSpace(b.Bytes())
}

// everySoOften passes on the first call, one each tenth of a second, and the last.
func everySoOften(tell func(done float64)) func(done float64) {
	var last time.Time
	return func(done float64) {
		if now := time.Now(); done >= 1 || now.Sub(last) >= 100*time.Millisecond {
			last = now
			tell(done)
		}
	}
}

// paged sends columns of a grid, or with ?page the whole of the grid so far in the form of the page. Of a text it
// sends the page its columns too: what has come of one that is stopped has no result to be saved from.
type paged struct {
	e    *events
	view string // of the page; "" for columns
	text bool
	so   *lens.Grid
	last time.Time
}

func newPaged(r *http.Request, e *events, text bool) *paged {
	return &paged{e: e, view: r.URL.Query().Get("page"), text: text}
}

// part takes columns.
func (p *paged) part(columns *lens.Grid) {
	if p.view == "" || p.text {
		p.e.send("columns", columns)
	}
	if p.view == "" {
		return
	}
	if p.so == nil {
		first := *columns
		p.so = &first
	} else {
		p.so.Extend(columns)
	}
	if now := time.Now(); now.Sub(p.last) >= 300*time.Millisecond {
		p.last = now
		p.show(p.so)
	}
}

func (p *paged) show(g *lens.Grid) {
	view, err := render.ParseView(p.view)
	if err != nil {
		view = render.Prob
	}
	data, err := render.PageData(g, view)
	if err == nil {
		p.e.write("grid", data)
	}
}

// end shows the whole: of a trace its answer, of a text the columns of its tokens.
func (p *paged) end(c *Command, a *Answer) {
	if p.view == "" {
		return
	}
	if c.Schema == lens.TraceSchema && a.Format == "json" {
		g := new(lens.Grid)
		if json.Unmarshal(a.Body, g) == nil && len(g.Rows) > 0 {
			p.so = g
		}
	}
	if p.so != nil {
		p.show(p.so)
	}
}
