package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	maxRedirects = 10
	maxWait      = 30 * time.Second // the longest wait between two attempts
	maxRetryTime = 10 * time.Minute // the longest wait that a server may ask for
	maxAnswer    = 64 << 20         // of the API, in bytes
	maxHeaders   = 1 << 20          // of an answer, in bytes
)

// newHTTPClient follows redirects, and sends the token to the endpoint's own origin
// only. net/http would let it pass to another port and to subdomains.
func newHTTPClient(c *Client) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	t.MaxResponseHeaderBytes = maxHeaders
	t.DisableCompression = true // a Range counts the file's bytes, not those of its gzip
	return &http.Client{
		Transport: &authorized{t, origin(c.endpoint), c.token},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch from := via[len(via)-1].URL; {
			case len(via) >= maxRedirects:
				return badRedirect(fmt.Sprintf("more than %d redirects", maxRedirects))
			default:
				return downgrade(from, r.URL)
			}
		},
	}
}

// badRedirect is the error of a redirect that is not followed. cut says of what.
type badRedirect string

func (b badRedirect) Error() string { return string(b) }

// downgrade refuses a redirect to what is no https address, unless it comes from http.
func downgrade(from, to *url.URL) error {
	if to.Scheme == "https" || to.Scheme == "http" && from.Scheme == "http" {
		return nil
	}
	return badRedirect(fmt.Sprintf("%s redirects from %s to %s", from.Host, from.Scheme, to.Scheme))
}

type authorized struct {
	next   http.RoundTripper
	origin string
	token  string
}

func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.token != "" && origin(r.URL) == a.origin {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.next.RoundTrip(r)
}

// origin is what makes two addresses the same party.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Scheme + "://" + u.Hostname() + ":" + port)
}

// redact leaves out of an address what may be secret, and of what is no address what would be.
func redact(address string) string {
	u, err := url.Parse(address)
	if err == nil && u.Opaque == "" {
		u.RawQuery, u.User = "", nil
		return u.String()
	}
	address, _, _ = strings.Cut(address, "?")
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "", address
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:] // behind a name and a password
	if found {
		rest = scheme + "://" + rest
	}
	return rest
}

// errStalled ends a request that brings nothing.
var errStalled = errors.New("stalled")

// slowest is how many bytes a second a connection must bring, on average over the time that
// it may stall. A telephone line brings four times as much.
const slowest = 1024

// A response is an answer that ends with an error when it brings nothing, or next to
// nothing, for a while.
type response struct {
	*http.Response
	came atomic.Int64 // since the last look
	ctx  context.Context
	end  context.CancelCauseFunc
}

// watch ends the request when too little has come between two looks.
func (r *response) watch(every time.Duration) {
	least := max(1, int64(every.Seconds()*slowest))
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-ticks.C:
		}
		switch n := r.came.Swap(0); {
		case n == 0:
			r.end(fmt.Errorf("%w: nothing came for %v", errStalled, every))
		case n < least:
			r.end(fmt.Errorf("%w: only %d bytes came in %v", errStalled, n, every))
		}
	}
}

// do sends a request and follows its redirects.
func (c *Client) do(ctx context.Context, method, address string, header http.Header) (*response, error) {
	return c.send(ctx, c.http, method, address, header)
}

// doOnce sends a request and returns a redirect as it is.
func (c *Client) doOnce(ctx context.Context, method, address string) (*response, error) {
	once := *c.http
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c.send(ctx, &once, method, address, nil)
}

func (c *Client) send(ctx context.Context, client *http.Client, method, address string, header http.Header) (*response, error) {
	ctx, end := context.WithCancelCause(ctx)
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		end(nil)
		return nil, err
	}
	for k, v := range header {
		r.Header[k] = v
	}
	r.Header.Set("User-Agent", c.agent)
	r.Header.Set("Accept-Encoding", "identity")
	out := &response{ctx: ctx, end: end}
	go out.watch(c.stall)
	answer, err := client.Do(r)
	if err != nil {
		err = out.reason(err)
		end(nil)
		return nil, err
	}
	out.Response = answer
	return out, nil
}

// reason is why a request ended: the stall that cancelled it, or what net/http says
// without the address, which may carry a signature.
func (r *response) reason(err error) error {
	if cause := context.Cause(r.ctx); cause != nil {
		return cause
	}
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

func (r *response) Read(p []byte) (int, error) {
	n, err := r.Body.Read(p)
	r.came.Add(int64(n))
	if err != nil && err != io.EOF {
		err = r.reason(err)
	}
	return n, err
}

func (r *response) close() {
	r.end(nil)
	_ = r.Body.Close()
}

// A retryable error is worth another attempt, after the wait that the server asked
// for, if any.
type retryable struct {
	error
	after time.Duration
	few   bool // not likely to change: before anything has come, fewAttempts are enough
}

// fewAttempts at a server that is not there take seconds.
const fewAttempts = 3

func (r *retryable) Unwrap() error { return r.error }

// retry calls f until it succeeds, fails for good, or has failed c.attempts times in a
// row without progress.
func (c *Client) retry(ctx context.Context, what string, notify func(error, time.Duration), f func() (progressed bool, err error)) error {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.Multiplier, waits.MaxInterval = c.wait, 2, maxWait
	for failed, ever := 0, false; ; {
		progressed, err := f()
		var again *retryable
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &again):
			return err
		}
		if progressed {
			failed, ever = 0, true
			waits.Reset()
		}
		failed++
		wait := max(waits.NextBackOff(), again.after)
		most := c.attempts
		if again.few && !ever {
			most = min(most, fewAttempts)
		}
		if failed >= most || again.after > maxRetryTime {
			text := fmt.Sprintf("hub: %s: %v; gave up after %d attempts", what, again.error, failed)
			if again.after > maxRetryTime {
				text = fmt.Sprintf("hub: %s: %v; the server asks to come back in %v", what, again.error, again.after)
			}
			return &failure{text: text + ": check the connection and run it again; what has come is kept", cause: again.error, kinds: []error{ErrUnavailable}}
		}
		if notify != nil {
			notify(again.error, wait)
		}
		select {
		case <-c.after(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// transient reports whether an answer's status may change by itself.
func transient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter is how long the server asks to wait: Retry-After in seconds or as a
// date, or, without one, the t= of the RateLimit header, which the hub sends.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(min(n, 1<<30)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	for _, part := range strings.Split(h.Get("RateLimit"), ";") {
		if s, ok := strings.CutPrefix(strings.TrimSpace(part), "t="); ok {
			if n, err := strconv.Atoi(s); err == nil && n >= 0 {
				return time.Duration(min(n, 1<<30)) * time.Second
			}
		}
	}
	return 0
}

// refusal is the error of an answer that is not a success. file is "" for the model
// itself.
func (c *Client) refusal(r *http.Response, ref Ref, file string) error {
	what := ref.String()
	if file != "" {
		what += ": " + file
	}
	page := c.endpoint.JoinPath(ref.Repo()).String()
	code, says := r.Header.Get("X-Error-Code"), r.Header.Get("X-Error-Message")
	fail := func(text string, kinds ...error) error { return &failure{text: "hub: " + text, kinds: kinds} }
	set := "set HF_TOKEN to a token"
	if c.token == "" && withheld() {
		set = "unset HF_HUB_DISABLE_IMPLICIT_TOKEN, with which no token is sent, and " + set
	}
	ask := fmt.Sprintf("if it is private, or its licence must be accepted first (at %s), %s of an account that may read it", page, set)
	if c.token != "" {
		ask = fmt.Sprintf("if it is private, or its licence must be accepted first (at %s), use a token (HF_TOKEN) of an account that may read it", page)
	}
	status := r.StatusCode
	switch elsewhere := origin(r.Request.URL) != origin(c.endpoint); {
	case transient(status):
		return &retryable{fmt.Errorf("%s answers %d %s", r.Request.URL.Host, status, http.StatusText(status)), retryAfter(r.Header, time.Now()), false}
	case elsewhere && (status == http.StatusBadRequest || status == http.StatusForbidden): // a signed address ends; the hub makes a new one
		return &retryable{fmt.Errorf("%s answers %d %s", r.Request.URL.Host, status, http.StatusText(status)), 0, true}
	case status == http.StatusRequestedRangeNotSatisfiable: // nothing came before, and all of it was asked for
		return fail(fmt.Sprintf("%s: %s was asked for the whole of it, and answers %d %s, which is for parts: check HF_ENDPOINT and the proxy, and try again later",
			what, r.Request.URL.Host, status, http.StatusText(status)), ErrProtocol)
	case elsewhere:
		return fail(fmt.Sprintf("%s: %s, to which the hub redirects, answers %d %s", what, r.Request.URL.Host, status, http.StatusText(status)), ErrProtocol)
	case code == "GatedRepo" || status == http.StatusForbidden:
		text := fmt.Sprintf("%s is gated: accept its licence at %s, then %s of the account that did", what, page, set)
		if code != "GatedRepo" && says != "" {
			text += fmt.Sprintf(" (the hub says %q)", says)
		}
		return fail(text, ErrUnauthorized)
	case code == "RevisionNotFound":
		return fail(fmt.Sprintf("%s has no revision %q: give a branch, a tag or a commit (40 digits) that stands at %s", ref.Repo(), ref.revision(), page), ErrNotFound)
	case code == "EntryNotFound" || status == http.StatusNotFound && file != "":
		return fail(fmt.Sprintf("%s: the hub lists this file and does not have it (404)", what), ErrNotFound)
	case status == http.StatusUnauthorized && strings.HasPrefix(says, "Invalid credentials"):
		return fail(fmt.Sprintf("%s: the hub does not accept the token: set HF_TOKEN to a valid one, or to none", what), ErrUnauthorized)
	case status == http.StatusUnauthorized: // without a token the hub does not tell whether a name exists
		return fail(fmt.Sprintf("there is no model %q at %s, or not for everyone (401): check the spelling; %s", ref.Repo(), c.endpoint, ask), ErrNotFound, ErrUnauthorized)
	case code == "RepoNotFound", status == http.StatusNotFound, status == http.StatusGone:
		return fail(fmt.Sprintf("there is no model %q, or no revision %q of it, at %s (%d): check the spelling; %s", ref.Repo(), ref.revision(), c.endpoint, status, ask), ErrNotFound)
	}
	return fail(fmt.Sprintf("%s: %s answers %d %s %q", what, c.endpoint.Host, status, http.StatusText(status), says), ErrProtocol)
}

// cut makes a failed connection retryable, unless another attempt would end the same; what was
// asked for: the model, or a file of it.
func cut(what string, err error) error {
	var redirect badRedirect
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	fail := func(kind error, format string, args ...any) error {
		return &failure{text: "hub: " + what + ": " + fmt.Sprintf(format, args...), cause: err, kinds: []error{kind}}
	}
	switch {
	case errors.As(err, &redirect):
		return fail(ErrProtocol, "%s: check HF_ENDPOINT and the proxy", redirect)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail(ErrUnavailable, "the host %q is not known: check the connection and HF_ENDPOINT", dns.Name)
	case errors.As(err, &certificate):
		return fail(ErrUnavailable, "%v: check HF_ENDPOINT, the proxy and the system's certificates", err)
	case noAnswer(err):
		return fail(ErrProtocol, "what answers there does not speak HTTP (%.200s): check HF_ENDPOINT and the proxy", err.Error())
	}
	var dial *net.OpError
	return &retryable{err, 0, errors.As(err, &dial) && dial.Op == "dial"}
}

// noAnswer reports whether net/http could not make an answer of what came: the same would come
// again. Of most of this net/http has no type, and only a text.
func noAnswer(err error) bool {
	var protocol textproto.ProtocolError
	if errors.As(err, &protocol) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	text := err.Error()
	return slices.ContainsFunc([]string{
		"malformed HTTP ", "malformed MIME header", "malformed response from server", "response headers exceeded", "response header list larger",
		"bad Content-Length", "invalid empty Content-Length", "multiple Content-Length", "transfer encoding", "too many 1xx",
	}, func(known string) bool { return strings.Contains(text, known) })
}

// encoded refuses an answer in another encoding than that of the file, which was asked
// for: its bytes would be taken for the file's.
func encoded(h http.Header, ref Ref, file string) error {
	switch encoding := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))); encoding {
	case "", "identity", "none", "binary", "aws-chunked": // S3 sends the last for what is not encoded (any longer)
		return nil
	default:
		return nonsense(ref, "sends %s in the encoding %q, and was asked for none: check HF_ENDPOINT and the proxy", file, encoding)
	}
}
