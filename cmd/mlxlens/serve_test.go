package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// server is a `mlxlens serve` of its own process.
type server struct {
	cmd     *exec.Cmd
	address string // with the token behind it, where there is one
	errs    *bytes.Buffer
	stdout  *bufio.Reader
}

// ending is the context of a process of a test: what hangs is ended, and told of by the assertion that waited for it, before
// go test ends all tests; and none outlives its test.
func ending(t *testing.T) context.Context {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(stop)
	return ctx
}

// serving starts a server of a random Llama without a tokenizer.
func serving(t *testing.T, args ...string) *server {
	t.Helper()
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	tiny, err := filepath.Abs("../../testdata/models/tiny-llama-b-4bit-mixed")
	require.NoError(t, err)
	if !slices.Contains(args, "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	s := &server{cmd: exec.CommandContext(ending(t), self, append([]string{"serve", "-m", tiny}, args...)...), errs: &bytes.Buffer{}}
	s.cmd.Env = append(os.Environ(), envChild+"=1", mlx.EnvLibrary+"="+lib.Path)
	s.cmd.Stderr = s.errs
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Wait() }) // where the test has not
	s.stdout = bufio.NewReader(out)
	line, err := s.stdout.ReadString('\n')
	require.NoError(t, err, s.errs)
	s.address = strings.TrimSpace(line)
	return s
}

func (s *server) begin(t *testing.T, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.address+"api/v1/generate", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err, s.errs)
	return answer
}

func TestATerminatedServerFinishesWhatItIsDoing(t *testing.T) {
	s := serving(t)
	answer := s.begin(t, `{"ids":[30,7,500],"max_tokens":60}`)
	defer answer.Body.Close()
	events := bufio.NewReader(answer.Body)
	_, err := events.ReadString('\n') // it is being computed
	require.NoError(t, err)
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	text, err := io.ReadAll(events)
	require.NoError(t, err)
	require.Contains(t, string(text), "event: result")
	require.Contains(t, string(text), `"lines":60`)
	require.NoError(t, s.cmd.Wait(), "exit code 0")
	_, err = net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.address, "http://"), "/"))
	require.Error(t, err)
}

func TestASecondSignalEndsAServerAtOnce(t *testing.T) {
	s := serving(t)
	answer := s.begin(t, `{"ids":[30,7,500],"max_tokens":4096}`)
	defer answer.Body.Close()
	_, err := bufio.NewReader(answer.Body).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	for err == nil { // until it has ended, which the first alone does only when all tokens are there
		err = s.cmd.Process.Signal(syscall.SIGTERM)
		if _, read := answer.Body.Read(make([]byte, 1<<12)); read != nil {
			break
		}
	}
	require.Error(t, s.cmd.Wait())
	require.Equal(t, 143, s.cmd.ProcessState.ExitCode(), s.errs)
}

func TestAServerWithATokenOfAFileSaysHowItIsOpenedAndNotTheToken(t *testing.T) {
	const token = "correct horse battery staple"
	file := filepath.Join(t.TempDir(), "token.txt")
	require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	s := serving(t, "--token-file", file)
	require.NotContains(t, s.address, "#")
	alive, err := http.Get(s.address + "healthz")
	require.NoError(t, err)
	alive.Body.Close()
	require.NoError(t, s.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, s.cmd.Wait(), s.errs)
	require.Contains(t, s.errs.String(), "open "+s.address+"#token=TOKEN, or send")
	require.NotContains(t, s.errs.String(), token)
}

func TestAServerThatOthersReachPrintsAToken(t *testing.T) {
	s := serving(t, "--listen", "0.0.0.0:0")
	address, token, ok := strings.Cut(s.address, "#token=")
	require.True(t, ok, s.address)
	require.Len(t, token, 32)
	_, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/"))
	require.NoError(t, err)
	for _, c := range []struct {
		token  string
		status int
	}{{"", 401}, {"x" + token, 401}, {token, 200}} {
		r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port+"/api/v1/loaded", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+c.token)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, c.status, answer.StatusCode)
	}
	require.NoError(t, s.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, s.cmd.Wait(), s.errs)
	require.NotContains(t, s.errs.String(), token, "the log has no secrets")
}
