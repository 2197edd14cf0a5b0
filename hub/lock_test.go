package hub

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/mlxlens/mlxlens/internal/hubtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTwoProcessesFetchEachBlobOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	file := s.Repos[repoName].Files[shard1]
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !resolves(r, shard1) {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(file)))
		for at := 0; at < len(file); at += 64 << 10 { // slow enough that both are at it
			w.Write(file[at : at+64<<10])
			http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
		return true
	})
	exe, err := os.Executable()
	require.NoError(t, err)
	cache := t.TempDir()
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Env = append(os.Environ(), envPull+"="+repoName, "HF_HUB_CACHE="+cache, "HF_ENDPOINT="+s.URL)
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, string(out))
		})
	}
	group.Wait()
	c := client(t, s, func(o *Options) { o.Cache = cache })
	found, err := c.Find(ref)
	require.NoError(t, err)
	whole(t, found, model())
	for _, name := range wanted {
		require.Equal(t, 1, s.Gets(name), name)
	}
}

func TestPullWaitsForALockAndSaysSo(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	path := filepath.Join(c.Cache(), ".locks", "models--someone--tiny", hubtest.ETag(shard1, s.Repos[repoName].Files[shard1])+".lock")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	l := flock.New(path)
	require.NoError(t, l.Lock())
	waited := false
	got, err := c.Pull(t.Context(), ref, PullOptions{Progress: func(e Event) {
		if e.Kind == Waiting && !waited {
			waited = true
			assert.Equal(t, shard1, e.File.Name)
			assert.Zero(t, s.Gets(shard1))
			assert.NoError(t, l.Unlock())
		}
	}})
	require.NoError(t, err)
	require.True(t, waited)
	whole(t, got, model())

	require.NoError(t, l.Lock())
	defer l.Close()
	require.NoError(t, os.RemoveAll(filepath.Join(c.Cache(), "models--someone--tiny")))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Pull(ctx, ref, PullOptions{})
	require.ErrorIs(t, err, context.DeadlineExceeded, "a wait for a lock can be cancelled")
}

func TestManyPullsInOneProcessAgree(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := client(t, s)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, err := c.Pull(t.Context(), ref, PullOptions{Progress: func(Event) {}})
			assert.NoError(t, err)
		})
	}
	group.Wait()
	require.Equal(t, 1, s.Gets(shard1))
}
