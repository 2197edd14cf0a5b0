package generate

import (
	"strings"
)

// Stops looks for stop strings in text that comes in parts, and holds back what may
// turn out to be the beginning of one.
type Stops struct {
	stops []string
	held  string
	found bool
}

// NewStops returns a Stops for some strings; empty ones stop nothing.
func NewStops(stops ...string) *Stops {
	s := &Stops{}
	for _, stop := range stops {
		if stop != "" {
			s.stops = append(s.stops, stop)
		}
	}
	return s
}

// Add takes the next part and returns the text that is certain to come before a stop
// string. After a stop string nothing comes.
func (s *Stops) Add(part string) (text string, stopped bool) {
	if s.found {
		return "", true
	}
	s.held += part
	first := -1
	for _, stop := range s.stops {
		if at := strings.Index(s.held, stop); at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	if first >= 0 {
		text, s.held, s.found = s.held[:first], "", true
		return text, true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > keep; n-- {
			if strings.HasSuffix(s.held, stop[:n]) {
				keep = n
			}
		}
	}
	text, s.held = s.held[:len(s.held)-keep], s.held[len(s.held)-keep:]
	return text, false
}

// Flush returns what was held back, at the end of the text.
func (s *Stops) Flush() string {
	text := s.held
	s.held = ""
	return text
}
