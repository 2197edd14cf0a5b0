package mcp

import (
	"context"
	"io"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/serve"
)

func TestProgressGrowsWithEachNotification(t *testing.T) {
	told := make(chan *sdk.ProgressNotificationParams, 1000)
	c := connected(t, func(_ context.Context, _ serve.Call, answer io.Writer, w serve.Watch) error {
		w.Note("a remark")
		w.Progress(0.0)
		w.Progress(1)
		_, err := io.WriteString(answer, "{\"text\":\"a\"}\n{\"text\":\"b\"}\n")
		return err
	}, serve.Options{}, func(p *sdk.ProgressNotificationParams) { told <- p })
	asked := &sdk.CallToolParams{Name: "generate"}
	asked.SetProgressToken("mine")
	_, err := c.CallTool(context.Background(), asked)
	require.NoError(t, err)
	last, seen := -1.0, []string{}
	for len(seen) < 4 {
		p := <-told
		require.Equal(t, "mine", p.ProgressToken)
		require.Greater(t, p.Progress, last)
		if last = p.Progress; p.Message != "still at work" {
			seen = append(seen, p.Message)
		}
	}
	require.Equal(t, []string{"a remark", "", "a", "b"}, seen)
}

func TestAClientThatAskedIsToldThatWorkGoesOn(t *testing.T) {
	beat := make(chan struct{}, 1000)
	var told func(*sdk.ProgressNotificationParams) = func(p *sdk.ProgressNotificationParams) {
		assert.Equal(t, "still at work", p.Message) // require would end the client's goroutine, and the call has no answer then
		beat <- struct{}{}
	}
	c := connected(t, func(context.Context, serve.Call, io.Writer, serve.Watch) error {
		<-beat
		<-beat
		return nil
	}, serve.Options{}, told)
	asked := &sdk.CallToolParams{Name: "generate"}
	asked.SetProgressToken(7)
	_, err := c.CallTool(context.Background(), asked)
	require.NoError(t, err, "it went on when two had come")
}

func TestACallThatWaitsIsToldItsPlaceAndOneThatIsTakenBackEnds(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	places := make(chan string, 1000)
	c := connected(t, func(ctx context.Context, call serve.Call, _ io.Writer, _ serve.Watch) error {
		if call.Command == "trace" {
			close(begun)
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		}
		return nil
	}, serve.Options{}, func(p *sdk.ProgressNotificationParams) {
		if p.Message != "still at work" {
			places <- p.Message
		}
	})
	ctx, takeBack := context.WithCancel(t.Context()) // the client's Close, when the test ends, waits for what it has asked
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := c.CallTool(ctx, &sdk.CallToolParams{Name: "trace"})
		first <- err
	}()
	<-begun
	go func() {
		asked := &sdk.CallToolParams{Name: "generate"}
		asked.SetProgressToken("p")
		_, err := c.CallTool(t.Context(), asked)
		second <- err
	}()
	require.Equal(t, "waiting in line, place 1", <-places)
	takeBack()
	require.ErrorIs(t, <-first, context.Canceled)
	require.ErrorIs(t, <-ended, context.Canceled)
	require.NoError(t, <-second, "its turn has come")
}
