package serve

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody is how many bytes a request may have: ten million characters of a prompt are more than any
// model reads, and a list of pairs is larger.
const maxBody = 16 << 20

// types are those of answers by their format.
var types = map[string]string{
	"json": "application/json", "page": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8", "png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf",
	"npz": "application/octet-stream", "safetensors": "application/octet-stream",
}

// MediaType is the type of an answer in a format.
func MediaType(format string) string { return types[format] }

// Handler is the HTTP of a service: the API under /api/v1/, the page, /healthz and /metrics.
func (s *Service) Handler(d Door) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/loaded", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Loaded()) })
	mux.HandleFunc("GET /api/v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.OpenAPI()) })
	for i := range s.commands {
		c := &s.commands[i]
		mux.HandleFunc("POST /api/v1/"+c.Name, func(w http.ResponseWriter, r *http.Request) { s.read(w, r, c) })
		if c.asksNothing() {
			mux.HandleFunc("GET /api/v1/"+c.Name, func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, c, []byte("{}")) })
		}
		mux.HandleFunc("/api/v1/"+c.Name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", "POST")
			s.turnAway(w, http.StatusMethodNotAllowed, "method", r.URL.Path+" takes POST, with a JSON object")
		})
	}
	mux.HandleFunc("POST /api/v1/draw", s.draw)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		var names []string
		for i := range s.commands {
			names = append(names, s.commands[i].Name)
		}
		s.turnAway(w, http.StatusNotFound, "path", "there is no such endpoint: POST /api/v1/ and one of "+strings.Join(names, ", ")+", or GET /api/v1/loaded or /api/v1/openapi.json")
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		waiting, working := s.queue.length()
		s.metrics.write(w, waiting, working)
	})
	addPage(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			s.turnAway(w, http.StatusMethodNotAllowed, "method", r.URL.Path+" takes no "+r.Method+": the API, which takes POST, is under /api/v1/")
			return
		}
		s.turnAway(w, http.StatusNotFound, "path", "there is no "+r.URL.Path+": the page is at /, and the API under /api/v1/")
	})
	return logged(s.log, s.guard(d, mux))
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // who has left reads nothing
}

// body reads a request for an endpoint; false when it has been answered that it cannot be.
func (s *Service) body(w http.ResponseWriter, r *http.Request, name string) ([]byte, bool) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		s.turnAway(w, http.StatusUnsupportedMediaType, "type", "want \"Content-Type: application/json\" and a JSON object")
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if !errors.As(err, &tooLarge) {
			err = refuse("the request cannot be read: %w", err)
		}
		s.metrics.done(name, err, 0)
		s.newProblem(err).write(w)
		return nil, false
	}
	return body, true
}

// read reads a request, and answers it.
func (s *Service) read(w http.ResponseWriter, r *http.Request, c *Command) {
	body, ok := s.body(w, r, c.Name)
	if !ok {
		return
	}
	if wantsEvents(r) {
		s.stream(w, r, c, body)
		return
	}
	s.answer(w, r, c, body)
}

// answer runs a command for a request.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, c *Command, body []byte) {
	a, err := s.Run(r.Context(), c.Name, body, Watch{})
	if err != nil {
		s.newProblem(err).write(w)
		return
	}
	s.deliver(w, c.Name, a)
}

// deliver writes an answer of an endpoint.
func (s *Service) deliver(w http.ResponseWriter, name string, a *Answer) {
	h := w.Header()
	h.Set("Content-Type", types[a.Format])
	if a.Lines {
		h.Set("Content-Type", "application/x-ndjson")
	}
	h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	for _, note := range a.Notes {
		text, _ := json.Marshal(note)
		h.Add("Mlxlens-Note", ascii(string(text)))
	}
	if a.Format == "html" || a.Format == "svg" { // a document that runs nothing of this server's
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
		h.Set("Content-Disposition", "attachment; filename=\"mlxlens-"+name+"."+a.Format+"\"")
	}
	s.send(w, a.Body)
}

// wantsEvents reports whether a request asks for server-sent events.
func wantsEvents(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// send writes an answer, as long as somebody reads it.
func (s *Service) send(w http.ResponseWriter, body []byte) {
	if written(w, http.NewResponseController(w), body, s.o.Patience) != nil {
		s.metrics.turnedAway("slow")
	}
}

// written writes a text piece by piece, each within a time.
func written(w io.Writer, control *http.ResponseController, text []byte, patience time.Duration) error {
	const piece = 256 << 10
	for len(text) > 0 {
		n := min(piece, len(text))
		_ = control.SetWriteDeadline(time.Now().Add(patience)) // where it cannot be set, the server's own holds
		if _, err := w.Write(text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// ascii writes what is not, as JSON does.
func ascii(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			b.WriteString(`\u` + strconv.FormatInt(int64(0xd800+r>>10), 16) + `\u` + strconv.FormatInt(int64(0xdc00+r&0x3ff), 16))
		default:
			hex := strconv.FormatInt(int64(r), 16)
			b.WriteString(`\u` + strings.Repeat("0", 4-len(hex)) + hex)
		}
	}
	return b.String()
}

// logged writes a line a request: who, what path, what came of it, how long. What was asked and the
// headers, which may hold a token, are not in it.
func logged(log *slog.Logger, next http.Handler) http.Handler {
	if log == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, seen := time.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		log.Info("request", "method", r.Method, "path", r.URL.Path, "status", seen.status, "bytes", seen.bytes, "took", time.Since(start).Round(time.Millisecond), "from", r.RemoteAddr)
	})
}

// statusWriter remembers what was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
