package hub

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// defaultEndpoint is the hub unless HF_ENDPOINT names another.
const defaultEndpoint = "https://huggingface.co"

// Options are a client's settings. What is left zero comes from the environment, and
// what that does not set is as huggingface_hub has it.
type Options struct {
	Cache    string // the cache's folder
	Endpoint string // the hub's URL
	Token    string // sent to the endpoint only
	Offline  bool   // true: never use the network; false: as HF_HUB_OFFLINE, else TRANSFORMERS_OFFLINE, says
	Agent    string // the User-Agent header

	Parallel int           // files fetched at a time; 3
	Attempts int           // failures in a row that end a file, counted from its last progress; 6
	Stall    time.Duration // how long a connection may bring nothing; 30 s
	Wait     time.Duration // before the second attempt, about; later ones wait longer; 1 s
}

// A Client reads and fills the cache. Its methods may be called from many goroutines
// and, on one cache, from many processes.
type Client struct {
	cache      string
	endpoint   *url.URL
	token      string
	offline    string // what forbids the network: a variable's name or Options.Offline, "" for nothing
	noSymlinks bool   // HF_HUB_DISABLE_SYMLINKS
	agent      string

	parallel, attempts int
	stall, wait        time.Duration

	http *http.Client
	free func(dir string) (uint64, error) // bytes free for dir

	after func(time.Duration) <-chan time.Time // time.After, but in tests
}

// New makes a client. It touches neither disk, but for the token's file, nor network.
func New(o Options) (*Client, error) {
	home := envPath("HF_HOME")
	if home == "" {
		cache := envPath("XDG_CACHE_HOME")
		if !filepath.IsAbs(cache) { // to be ignored (XDG Base Directory 0.8): it would lie in the working directory
			cache = ""
		}
		if user, err := os.UserHomeDir(); cache == "" && err == nil {
			cache = filepath.Join(user, ".cache")
		}
		if cache != "" {
			home = filepath.Join(cache, "huggingface")
		}
	}
	c := &Client{
		cache:      first(o.Cache, envPath("HF_HUB_CACHE"), envPath("HUGGINGFACE_HUB_CACHE")),
		token:      first(o.Token, token(home)),
		offline:    forbids(o),
		noSymlinks: truth(os.Getenv("HF_HUB_DISABLE_SYMLINKS")),
		agent:      first(o.Agent, "mlxlens"),
		parallel:   positive(o.Parallel, 3),
		attempts:   positive(o.Attempts, 6),
		stall:      positive(o.Stall, 30*time.Second),
		wait:       positive(o.Wait, time.Second),
		free:       freeSpace,
		after:      time.After,
	}
	if c.cache == "" && home != "" {
		c.cache = filepath.Join(home, "hub")
	}
	if c.cache == "" {
		return nil, fmt.Errorf("hub: there is no home folder for the cache: set HF_HOME or HF_HUB_CACHE")
	}
	cache, err := filepath.Abs(c.cache)
	if err != nil {
		return nil, fmt.Errorf("hub: cache %q: %w", c.cache, err)
	}
	c.cache = cache
	endpoint := first(o.Endpoint, os.Getenv("HF_ENDPOINT"), defaultEndpoint)
	c.endpoint, err = url.Parse(strings.TrimRight(endpoint, "/"))
	if err != nil || c.endpoint.Host == "" || c.endpoint.Scheme != "http" && c.endpoint.Scheme != "https" ||
		c.endpoint.RawQuery != "" || c.endpoint.User != nil {
		why := "is not an http or https address"
		if err == nil && (c.endpoint.RawQuery != "" || c.endpoint.User != nil) {
			why = "may have neither a name and password before it nor a query behind it, which are left out here: give an address"
		}
		return nil, fmt.Errorf("hub: endpoint %q (from HF_ENDPOINT) %s such as %s", redact(endpoint), why, defaultEndpoint)
	}
	c.http = newHTTPClient(c)
	return c, nil
}

// Cache is the folder of the cache, which may not exist yet.
func (c *Client) Cache() string { return c.cache }

// Offline reports whether the network is switched off.
func (c *Client) Offline() bool { return c.offline != "" }

// Endpoint is the address of the hub.
func (c *Client) Endpoint() string { return c.endpoint.String() }

func first(candidates ...string) string {
	for _, c := range candidates {
		if c != "" {
			return c
		}
	}
	return ""
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
