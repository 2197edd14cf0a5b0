package mcp

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// progress tells a client that has asked for it how far a request is.
type progress struct {
	ctx     context.Context
	session *sdk.ServerSession
	token   any // nil: it has not asked

	mu   sync.Mutex
	next float64 // the least number that may be told
	told time.Time
}

// step is how much larger a number is than the one before it where nothing more is done.
const step = 1e-6

func tellProgress(ctx context.Context, request *sdk.CallToolRequest) *progress {
	return &progress{ctx: ctx, session: request.Session, token: request.Params.GetProgressToken(), told: time.Now()}
}

// tell sends a notification. The protocol wants each number to be larger than the one before, also where
// nothing is done yet but wait.
func (p *progress) tell(done float64, message string) {
	if p.token == nil {
		return
	}
	done = max(done, p.next)
	p.next, p.told = done+step, time.Now()
	_ = p.session.NotifyProgress(p.ctx, &sdk.ProgressNotificationParams{ProgressToken: p.token, Progress: done, Total: 1, Message: message}) // who has left reads nothing
}

// done tells the part of the work that is done, at most ten times a second.
func (p *progress) done(part float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if part >= p.next && (part >= 1 || time.Since(p.told) >= 100*time.Millisecond) {
		p.tell(part, "")
	}
}

// say tells a sentence.
func (p *progress) say(message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(p.next, message)
}

// line tells a token of a text as it comes.
func (p *progress) line(line []byte) {
	var token struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(line, &token) == nil {
		p.say(token.Text)
	}
}

// keepTelling tells now and then that work goes on, so that a client does not give it up, until the
// function that it returns is called.
func (p *progress) keepTelling(every time.Duration) func() {
	if p.token == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.say("still at work")
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
