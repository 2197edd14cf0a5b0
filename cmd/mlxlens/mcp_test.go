package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"regexp"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// toolProcess is a client of an mlxlens mcp of its own process.
type toolProcess struct {
	*sdk.ClientSession
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout bytes.Buffer // all that the process has written there
	errs   bytes.Buffer
}

func startTools(t *testing.T, o *sdk.ClientOptions, args ...string) *toolProcess {
	t.Helper()
	args = append([]string{"mcp"}, args...)
	c := command(t, t.TempDir(), nil, args...)
	p := &toolProcess{cmd: exec.CommandContext(ending(t), c.Path, args...)}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = c.Dir, c.Env, &p.errs
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	in, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	p.stdin = in
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Wait() }) // where the test has not
	read := io.NopCloser(io.TeeReader(out, &p.stdout))
	p.ClientSession, err = sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, o).Connect(context.Background(), &sdk.IOTransport{Reader: read, Writer: in}, nil)
	require.NoError(t, err, &p.errs)
	return p
}

// call calls a tool that reports its progress.
func (p *toolProcess) call(ctx context.Context, name string, arguments map[string]any) (*sdk.CallToolResult, error) {
	asked := &sdk.CallToolParams{Name: name, Arguments: arguments}
	asked.SetProgressToken(name)
	return p.CallTool(ctx, asked)
}

// took is how long a trace took, its last key or not, and by which command line.
var took = regexp.MustCompile(`,?"(timing|made)":\{[^}]*\}`)

func TestAToolOfAnotherProcessAnswersAsTheCommandLine(t *testing.T) {
	p := startTools(t, nil)
	r, err := p.call(context.Background(), "trace", map[string]any{"ids": []int{30, 7, 500}})
	require.NoError(t, err, &p.errs)
	require.False(t, r.IsError)
	want, err := command(t, t.TempDir(), nil, "trace", "--ids", "30,7,500", "--json").Output()
	require.NoError(t, err)
	got, err := json.Marshal(r.StructuredContent)
	require.NoError(t, err)
	require.Regexp(t, took, string(got))
	require.JSONEq(t, took.ReplaceAllString(string(want), ""), took.ReplaceAllString(string(got), ""))

	require.NoError(t, p.Close()) // its stdin ends, and it with that
	require.NoError(t, p.cmd.Wait(), "exit code 0: %s", &p.errs)
	require.NotContains(t, p.errs.String(), "{")
	for _, line := range bytes.Split(bytes.TrimSpace(p.stdout.Bytes()), []byte("\n")) {
		var message struct {
			Version string `json:"jsonrpc"`
		}
		require.NoError(t, json.Unmarshal(line, &message), "stdout has the protocol and nothing else: %s", line)
		require.Equal(t, "2.0", message.Version)
	}
}

func TestTheFirstMessageIsAnsweredWhateverBecomesOfTheModel(t *testing.T) {
	p := startTools(t, nil, "-m", "nowhere")
	hello := p.InitializeResult()
	require.Equal(t, "mlxlens", hello.ServerInfo.Name)
	require.Contains(t, hello.Instructions, "mlxlens shows what a language model computes")
	r, err := p.call(context.Background(), "trace", map[string]any{"ids": []int{30, 7, 500}})
	require.NoError(t, err)
	require.True(t, r.IsError)
	require.Contains(t, r.Content[0].(*sdk.TextContent).Text, "nowhere")
}

func TestAClientThatLeavesEndsTheProcessAndWhatItComputes(t *testing.T) {
	told := make(chan struct{}, 10000)
	p := startTools(t, &sdk.ClientOptions{ProgressNotificationHandler: func(context.Context, *sdk.ProgressNotificationClientRequest) { told <- struct{}{} }})
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := p.call(ctx, "generate", map[string]any{"ids": []int{30, 7, 500}, "max_tokens": 4096})
		ended <- err
	}()
	hear := func() {
		select {
		case <-told:
		case err := <-ended:
			require.Fail(t, "a call has ended that was to be left", "%v %s", err, &p.errs)
		}
	}
	hear() // it is being computed
	leave()
	require.ErrorIs(t, <-ended, context.Canceled)
	r, err := p.call(context.Background(), "trace", map[string]any{"ids": []int{1}}) // its turn comes long before 4,096 tokens are there
	require.NoError(t, err)
	require.False(t, r.IsError)
	go func() {
		_, err := p.call(context.Background(), "generate", map[string]any{"ids": []int{30, 7, 500}, "max_tokens": 4096})
		ended <- err
	}()
	for range 10 {
		hear()
	}
	require.NoError(t, p.stdin.Close())
	require.Error(t, <-ended)
	_ = p.Wait() // all is read
	require.NoError(t, p.cmd.Wait(), &p.errs)
	require.NotContains(t, p.stdout.String(), `"lines"`, "no text was gone on with to its end")
}
