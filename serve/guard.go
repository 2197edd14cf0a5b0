package serve

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Door says who is let in.
type Door struct {
	// Token is what a request must bear, "" for none: only a server that nobody else can reach may do
	// without.
	Token string

	// Names are hosts by which the server is reached beside its addresses and localhost.
	Names []string
}

// NewToken makes one of 128 random bits.
func NewToken() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// headers are those of every answer: nothing is fetched from elsewhere, framed, guessed or kept.
var headers = map[string]string{
	"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), microphone=(), geolocation=()",
	"Cache-Control":                "no-store",
}

// guard lets requests in that come by a name of the server's, from its own pages, with the token.
func (s *Service) guard(d Door, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(d.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		switch {
		case !d.host(r.Host):
			// a page elsewhere whose name has been pointed here
			s.turnAway(w, http.StatusMisdirectedRequest, "host", "the server is not called "+shownHost(r.Host)+": use its address, or start it with --host NAME")
			return
		case !own(r):
			s.turnAway(w, http.StatusForbidden, "origin", "a page of another site may not ask this server: open its address in a tab by itself")
			return
		}
		if d.Token != "" && guarded(r.URL.Path) {
			is := sha256.Sum256([]byte(borne(r)))
			if subtle.ConstantTimeCompare(is[:], want[:]) != 1 {
				w.Header().Set("WWW-Authenticate", `Bearer realm="mlxlens"`)
				s.turnAway(w, http.StatusUnauthorized, "token", "the request bears no token, or a wrong one: send \"Authorization: Bearer TOKEN\" with the one that the server printed when it started, or that is in its --token-file")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// borne is the token of a request, "" for none. The name of the scheme is of any case (RFC 9110, 11.1).
func borne(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

// guarded reports whether a path needs the token: all but the page's own files, which hold nothing of
// the model's, and what a supervisor asks.
func guarded(path string) bool {
	return strings.HasPrefix(path, "/api/") || path == "/metrics"
}

// host reports whether a Host header names the server: by an address, localhost, or a given name. A name
// that leads here by DNS alone does not.
func (d *Door) host(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "localhost" || slices.ContainsFunc(d.Names, func(n string) bool { return strings.EqualFold(n, name) }) {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil
}

// own reports whether a request comes from no page, or from one of the server's own.
func own(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	return origin == "" || strings.EqualFold(origin, "http://"+r.Host) || strings.EqualFold(origin, "https://"+r.Host)
}

// shownHost is a header in a sentence.
func shownHost(host string) string {
	if len(host) > 80 {
		host = host[:80] + "…"
	}
	if host == "" {
		return "by no name"
	}
	return strings.ToValidUTF8(host, "\uFFFD")
}
