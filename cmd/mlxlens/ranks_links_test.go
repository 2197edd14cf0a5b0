package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// envLinks has the simulation of slow links run, whose numbers docs/larger.md has.
const envLinks = "MLXLENS_SLOW_LINKS"

// link is a way between two ranks that takes time.
type link struct {
	latency time.Duration // one way
	rate    float64       // bytes a second
	bytes   *atomic.Int64 // that went over it
}

// carry copies from one connection to another as the link lets it.
func (l link) carry(to, from net.Conn) {
	type piece struct {
		data []byte
		due  <-chan time.Time
	}
	way := make(chan piece, 1<<16)
	go func() {
		defer to.Close()
		for p := range way {
			<-p.due
			if _, err := to.Write(p.data); err != nil {
				return
			}
		}
	}()
	defer close(way)
	for {
		data := make([]byte, 64<<10)
		n, err := from.Read(data)
		if n > 0 {
			l.bytes.Add(int64(n))
			time.Sleep(time.Duration(float64(n) / l.rate * float64(time.Second))) // the link is busy with it
			way <- piece{data[:n], time.After(l.latency)}
		}
		if err != nil {
			return
		}
	}
}

// before listens in front of an address, and returns where.
func (l link) before(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", address)
			for range 1000 { // nobody may listen yet, and MLX tries no second time once it is through
				if err == nil {
					break
				}
				time.Sleep(20 * time.Millisecond)
				out, err = net.Dial("tcp", address)
			}
			if err != nil {
				_ = in.Close()
				continue
			}
			go l.carry(out, in)
			go l.carry(in, out)
		}
	}()
	return listener.Addr().String()
}

// slowly runs a command line on ranks with links before each, and returns what the first prints, and the bytes that
// went over all links.
func slowly(t *testing.T, model string, n int, l link, line ...string) (string, int64) {
	t.Helper()
	var own, through []string
	for range n {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		own = append(own, free.Addr().String())
		require.NoError(t, free.Close())
	}
	l.bytes = &atomic.Int64{}
	for _, address := range own {
		through = append(through, l.before(t, address))
	}
	dir := t.TempDir()
	var all []*exec.Cmd
	var first io.ReadCloser
	for rank := range n {
		var hosts [][]string
		for i := range n {
			hosts = append(hosts, []string{through[i]})
		}
		hosts[rank][0] = own[rank] // where it listens itself
		raw, err := json.Marshal(hosts)
		require.NoError(t, err)
		file := filepath.Join(dir, fmt.Sprint(rank))
		require.NoError(t, os.WriteFile(file, raw, 0o600))
		c := command(t, dir, []string{"MLX_HOSTFILE=" + file, "MLX_RANK=" + strconv.Itoa(rank), "MLXLENS_MODEL=" + model}, line...)
		if c.Stderr = os.Stderr; rank == 0 {
			first, err = c.StdoutPipe()
			require.NoError(t, err)
		}
		require.NoError(t, c.Start())
		all = append(all, c)
	}
	text, err := io.ReadAll(first)
	require.NoError(t, err)
	for _, c := range all {
		require.NoError(t, c.Wait())
	}
	return string(text), l.bytes.Load()
}

// Slow links change no number; what they cost is printed.
func TestSlowLinks(t *testing.T) {
	if os.Getenv(envLinks) == "" {
		t.Skip("$" + envLinks + " is not set")
	}
	model := smollm2(t)
	const tokens = 12
	line := []string{"generate", "The capital of France is", "--json", "-n", strconv.Itoa(tokens), "--ignore-eos"}
	want, err := command(t, t.TempDir(), []string{"MLXLENS_MODEL=" + model}, line...).Output()
	require.NoError(t, err)
	for _, n := range []int{2, 3} {
		for _, latency := range []time.Duration{0, 100 * time.Millisecond} {
			got, bytes := slowly(t, model, n, link{latency: latency, rate: 1.25e9}, line...)
			require.Equal(t, string(want), got)
			t.Logf("%d ranks, %s one way: %d bytes over all links", n, latency, bytes)
		}
	}
}
