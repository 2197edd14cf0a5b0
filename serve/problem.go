package serve

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/mlxlens/mlxlens/internal/rooms"
)

// problem is an error as RFC 9457 has it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"` // the sentence of the command line

	retry time.Duration // when to ask again; 0: never
}

// newProblem says what went wrong with a request.
func (s *Service) newProblem(err error) *problem {
	if mistake := (*panicked)(nil); errors.As(err, &mistake) && s.log != nil {
		s.log.Error(mistake.Error(), "stack", string(mistake.stack))
	}
	p := &problem{Type: "about:blank", Status: http.StatusUnprocessableEntity, Detail: rooms.Text(err)}
	var refusal *Refusal
	var mistake *panicked
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		p.Status, p.Detail = http.StatusRequestEntityTooLarge, "the request has more than "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes"
	case errors.As(err, &refusal):
		p.Status = http.StatusBadRequest
	case errors.Is(err, errBusy):
		p.Status, p.retry = http.StatusServiceUnavailable, s.wait()
		p.Detail += ": ask again in " + strconv.Itoa(seconds(p.retry)) + " s"
	case errors.Is(err, errClosed):
		p.Status, p.retry = http.StatusServiceUnavailable, time.Minute
	case errors.Is(err, errTime):
		p.Status = http.StatusGatewayTimeout
		p.Detail += ": ask for less at once, or start the server with a longer --max-time"
	case errors.Is(err, context.Canceled):
		p.Status, p.Detail = 499, "the client has left" // nobody reads it
	case errors.As(err, &mistake):
		p.Status = http.StatusInternalServerError
	}
	if p.Title = http.StatusText(p.Status); p.Title == "" {
		p.Title = "Client Closed Request"
	}
	return p
}

// Sentence says what went wrong with a request that [Service.Run] did not answer, and what to do about it.
func (s *Service) Sentence(err error) string { return s.newProblem(err).Detail }

// wait is how long the line takes, as far as runs before tell.
func (s *Service) wait() time.Duration {
	waiting, _ := s.queue.length()
	return min(max(time.Duration(waiting+1)*s.metrics.mean(), time.Second), 10*time.Minute)
}

// seconds rounds up, to 1 at least, as Retry-After has them.
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds(p.retry)))
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	text, _ := json.Marshal(p) // texts and a number
	_, _ = w.Write(append(text, '\n'))
}

// turnAway answers a request that is not let in.
func (s *Service) turnAway(w http.ResponseWriter, status int, reason, detail string) {
	s.metrics.turnedAway(reason)
	(&problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}).write(w)
}
