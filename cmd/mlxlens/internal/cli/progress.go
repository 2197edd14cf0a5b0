package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress tells on stderr how counted work gets on; nil when nothing is to be told. On a
// terminal it is a bar with an estimate, else a line now and then.
func (s *streams) progress(what string, quiet bool) func(done, total int) {
	switch {
	case s.watch.progress != nil:
		return func(done, total int) { s.watch.progress(float64(done) / float64(total)) }
	case quiet:
		return nil
	case terminal(s.err) > 0:
		return bar(s.err, what, progressbar.OptionShowCount())
	}
	return newRhythm().counted(s, what)
}

// progressOf tells it of work that has no count, by the part that is done.
func (s *streams) progressOf(what string, quiet bool) func(done float64) {
	switch {
	case s.watch.progress != nil:
		return s.watch.progress
	case quiet:
		return nil
	case terminal(s.err) > 0:
		const steps = 1000
		step := bar(s.err, what)
		return func(done float64) { step(int(done*steps), steps) }
	}
	return newRhythm().parts(s, what)
}

// bar draws a bar once the work has taken a second and is not nearly done.
func bar(w io.Writer, what string, more ...progressbar.Option) func(done, total int) {
	start := time.Now()
	var b *progressbar.ProgressBar
	return func(done, total int) {
		if b == nil && (time.Since(start) < time.Second || done*2 > total) {
			return
		}
		if b == nil {
			options := []progressbar.Option{progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
				progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish()}
			b = progressbar.NewOptions(total, append(options, more...)...)
		}
		_ = b.Set(done) // a bar that cannot be drawn stops nothing
	}
}

// betweenLines is how long stderr stays silent between two lines, so that a log does not fill with them.
const betweenLines = 10 * time.Second

// A rhythm says when a line is due: the first, too, after a while, and none when all is done.
type rhythm struct {
	now         func() time.Time
	start, last time.Time
}

func newRhythm() *rhythm { return rhythmOf(time.Now) }

func rhythmOf(now func() time.Time) *rhythm {
	start := now()
	return &rhythm{now: now, start: start, last: start}
}

// due returns since when there is work, and whether a line is due.
func (r *rhythm) due() (time.Duration, bool) {
	now := r.now()
	if now.Sub(r.last) < betweenLines {
		return 0, false
	}
	r.last = now
	return now.Sub(r.start).Round(time.Second), true
}

func (r *rhythm) counted(s *streams, what string) func(done, total int) {
	return func(done, total int) {
		if done >= total {
			return
		}
		if since, due := r.due(); due {
			s.say("%s: %d of %d after %v%s", what, done, total, since, left(since, float64(done)/float64(total)))
		}
	}
}

func (r *rhythm) parts(s *streams, what string) func(done float64) {
	return func(done float64) {
		if done >= 1 {
			return
		}
		if since, due := r.due(); due {
			s.say("%s: %d %% after %v%s", what, int(100*done), since, left(since, done))
		}
	}
}

// left is the time that the rest takes if it goes on as what is done did, in words.
func left(since time.Duration, done float64) string {
	if done <= 0 {
		return ""
	}
	return fmt.Sprintf(", about %v left", time.Duration(float64(since)*(1-done)/done).Round(time.Second))
}
