package generate

import (
	"slices"
	"strings"
)

// Stops looks for stop strings in text that comes in parts, and holds back what may
// turn out to be the beginning of one.
type Stops struct {
	stops []string
	held  string
	found string // the stop string that ended the text, "" before
	sent  int    // bytes that were returned
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

// Any reports whether there is a stop string to look for.
func (s *Stops) Any() bool { return len(s.stops) > 0 }

// Has reports whether text is one of the stop strings.
func (s *Stops) Has(text string) bool { return slices.Contains(s.stops, text) }

// Found returns the stop string that ended the text, "" before one did.
func (s *Stops) Found() string { return s.found }

// Sent returns how many bytes of the text were returned: where it was cut, once Found.
func (s *Stops) Sent() int { return s.sent }

// Add takes the next part and returns the text that is certain to come before a stop
// string. After a stop string nothing comes. Of several that begin in one place the first
// that was given counts.
func (s *Stops) Add(part string) (text string, stopped bool) {
	if s.found != "" {
		return "", true
	}
	s.held += part
	first := -1
	for _, stop := range s.stops {
		if at := strings.Index(s.held, stop); at >= 0 && (first < 0 || at < first) {
			first, s.found = at, stop
		}
	}
	if first >= 0 {
		text, s.held = s.held[:first], ""
		s.sent += len(text)
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
	s.sent += len(text)
	return text, false
}

// Flush returns what was held back, at the end of the text.
func (s *Stops) Flush() string {
	text := s.held
	s.held = ""
	s.sent += len(text)
	return text
}

// End is a text's end before the next part, by a stop string that no part has: it returns what was held back.
func (s *Stops) End(stop string) string {
	s.found = stop
	return s.Flush()
}
