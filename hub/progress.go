package hub

import (
	"sync"
	"time"
)

// An EventKind says what a Pull is at.
type EventKind int

const (
	Started  EventKind = iota // the plan is known
	Advanced                  // bytes have come, or those of an earlier download were kept
	Finished                  // a file is whole and checked
	Retrying                  // a connection failed; there will be another attempt after Wait
	Waiting                   // another process fetches the file
	Verified                  // the cache's own content was checked
	Damaged                   // it was, and is not what its hash says: the file is fetched again
)

// An Event is the progress of a Pull.
type Event struct {
	Kind        EventKind
	File        File // none for Started
	Done, Total int64
	Files       int // to fetch
	Err         error
	Wait        time.Duration
}

// A tally adds up what goroutines fetch and tells the caller.
type tally struct {
	mu    sync.Mutex
	tell  func(Event)
	total int64
	files int
	done  map[string]int64 // by etag
}

func newTally(tell func(Event)) *tally { return &tally{tell: tell, done: map[string]int64{}} }

func (t *tally) send(e Event) {
	if t.tell == nil {
		return
	}
	for _, n := range t.done {
		e.Done += n
	}
	e.Total, e.Files = t.total, t.files
	t.tell(e)
}

func (t *tally) start(p Plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total, t.files = 0, len(p.Missing)
	for _, f := range p.Missing {
		t.total += f.Size
	}
	t.send(Event{Kind: Started})
}

// set notes how much of a file there is.
func (t *tally) set(f File, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done[f.ETag] = n
	t.send(Event{Kind: Advanced, File: f})
}

func (t *tally) finish(f File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.send(Event{Kind: Finished, File: f})
}

func (t *tally) retrying(f File, err error, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.send(Event{Kind: Retrying, File: f, Err: err, Wait: wait})
}

// verified tells what a check of the cache's own content found.
func (t *tally) verified(f File, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := Verified
	if !ok {
		kind = Damaged
	}
	t.send(Event{Kind: kind, File: f})
}

func (t *tally) waiting(f File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.send(Event{Kind: Waiting, File: f})
}
