package hub

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheTokenGoesToTheEndpointOnly(t *testing.T) {
	t.Parallel()
	cdn := serve(t)
	s := serve(t)
	s.CDN = cdn.URL
	s.Repos[repoName].Gated = "hf_good"
	whole(t, pull(t, client(t, s, func(o *Options) { o.Token = "hf_good" })), model())
	require.Equal(t, 1, cdn.Gets(shard1), "the large files came from the other host")
	for _, r := range cdn.Requests() {
		require.Empty(t, r.Authorization, r.Path)
	}
	for _, r := range s.Requests() {
		require.Equal(t, "Bearer hf_good", r.Authorization, r.Path)
	}
}

func TestTheEnvironmentIsReadAsPythonReadsIt(t *testing.T) {
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing":                 {nil, home + "/.cache/huggingface/hub"},
		"XDG_CACHE_HOME":          {map[string]string{"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"},
		"a relative XDG folder":   {map[string]string{"XDG_CACHE_HOME": "cache"}, home + "/.cache/huggingface/hub"},
		"HF_HOME":                 {map[string]string{"XDG_CACHE_HOME": "/x", "HF_HOME": "/h"}, "/h/hub"},
		"HF_HOME with ~":          {map[string]string{"HF_HOME": "~/h"}, home + "/h/hub"},
		"HF_HOME with a variable": {map[string]string{"D": "/d", "HF_HOME": "$D/${D}/$NOPE"}, "/d/d/$NOPE/hub"},
		"HUGGINGFACE_HUB_CACHE":   {map[string]string{"HF_HOME": "/h", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"},
		"HF_HUB_CACHE":            {map[string]string{"HF_HOME": "/h", "HF_HUB_CACHE": "/c", "HUGGINGFACE_HUB_CACHE": "/old"}, "/c"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range test.env {
				t.Setenv(k, v)
			}
			c, err := New(Options{})
			require.NoError(t, err)
			require.Equal(t, test.want, c.Cache())
			require.Equal(t, defaultEndpoint, c.Endpoint())
		})
	}
	for value, want := range map[string]bool{"1": true, "true": true, "YES": true, "on": true, "0": false, "": false, "no": false} {
		t.Setenv("HF_HUB_OFFLINE", value)
		c, err := New(Options{})
		require.NoError(t, err)
		require.Equal(t, want, c.Offline(), value)
	}
	for name, c := range map[string]struct{ hub, transformers, want string }{
		"the older name alone":     {"", "1", "TRANSFORMERS_OFFLINE"},
		"both":                     {"1", "1", "HF_HUB_OFFLINE"},
		"the newer one says no":    {"0", "1", ""},
		"the older one, not a yes": {"", "0", ""},
	} {
		t.Setenv("HF_HUB_OFFLINE", c.hub)
		t.Setenv("TRANSFORMERS_OFFLINE", c.transformers)
		got, err := New(Options{})
		require.NoError(t, err)
		require.Equal(t, c.want, got.offline, name)
	}
	for _, bad := range []string{"hub.example", "ftp://hub.example", "http://", "http://me:secret@hub.example", "http://hub.example?x=secret"} {
		t.Setenv("HF_ENDPOINT", bad)
		_, err := New(Options{})
		require.ErrorContains(t, err, "HF_ENDPOINT", bad)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestTheTokenIsFound(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HF_HOME", dir)
	got := func() string {
		c, err := New(Options{})
		require.NoError(t, err)
		return c.token
	}
	require.Empty(t, got())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte("hf_file\n"), 0o600))
	require.Equal(t, "hf_file", got())
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, []byte(" hf_other\r\n"), 0o600))
	t.Setenv("HF_TOKEN_PATH", other)
	require.Equal(t, "hf_other", got())
	t.Setenv("HUGGING_FACE_HUB_TOKEN", "hf_older")
	require.Equal(t, "hf_older", got())
	t.Setenv("HF_TOKEN", "hf_env\n")
	require.Equal(t, "hf_env", got())
	t.Setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
	require.Empty(t, got())
	c, err := New(Options{Token: "hf_given"})
	require.NoError(t, err)
	require.Equal(t, "hf_given", c.token, "a program gives it")
}

func TestARefusalForATokenThatIsKeptBackSaysSo(t *testing.T) {
	s := serve(t)
	s.Repos[repoName].Gated = "hf_good"
	t.Setenv("HF_TOKEN", "hf_good")
	t.Setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
	_, err := client(t, s).Pull(t.Context(), ref, PullOptions{})
	require.ErrorIs(t, err, ErrUnauthorized)
	require.ErrorContains(t, err, "unset HF_HUB_DISABLE_IMPLICIT_TOKEN, with which no token is sent, and set HF_TOKEN")
	for _, r := range s.Requests() {
		require.Empty(t, r.Authorization, r.Path)
	}
}
