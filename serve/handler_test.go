package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

func TestSixtyFourClientsGetTheirOwnAnswers(t *testing.T) {
	_, server := started(t, Options{}, echo)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for k := range 10 {
				answer, text := asked(t, server.URL+"/api/v1/trace", fmt.Sprintf(`{"prompt":"%d of %d"}`, k, i))
				require.Equal(t, http.StatusOK, answer.StatusCode, text)
				require.JSONEq(t, fmt.Sprintf(`{"args":"trace --json -- %d of %d"}`, k, i), text)
			}
		})
	}
	wg.Wait()
}

func TestEventsTellOfTheWork(t *testing.T) {
	_, server := started(t, Options{}, func(_ context.Context, _ Call, answer io.Writer, w Watch) error {
		w.Note("a remark\nof two lines")
		w.Progress(0.5)
		w.Part(&lens.Grid{Rows: []string{"layers.0.resid_post"}, Cells: [][]lens.Cell{{{}}}, Positions: []int{0}, Tokens: []lens.Token{{ID: 1, Bytes: "a"}}})
		_, err := io.WriteString(answer, "{\"id\":1}\n{\"id\":2}\n")
		return err
	})
	answer, text := asked(t, server.URL+"/api/v1/chat", `{"messages":[]}`, "Accept", "text/event-stream")
	require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	var names []string
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			names = append(names, strings.TrimSpace(name))
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			require.True(t, json.Valid([]byte(data)), data)
		}
	}
	require.Equal(t, []string{"note", "progress", "columns", "token", "token", "result"}, names)
	require.Contains(t, text, `{"text":"a remark\nof two lines"}`)
	require.Contains(t, text, `"lines":2`)
	_, text = asked(t, server.URL+"/api/v1/chat?page=prob", `{"messages":[]}`, "Accept", "text/event-stream")
	require.Contains(t, text, "event: grid\ndata: {\"rows\":[\"0\"]")
}

func TestAnErrorBeforeTheFirstEventIsAProblem(t *testing.T) {
	_, server := started(t, Options{}, func(context.Context, Call, io.Writer, Watch) error { return refuse("layer 99 does not exist") })
	for _, accept := range []string{"", "text/event-stream"} {
		answer, text := asked(t, server.URL+"/api/v1/trace", `{"prompt":"a"}`, "Accept", accept)
		require.Equal(t, http.StatusBadRequest, answer.StatusCode)
		require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
		require.JSONEq(t, `{"type":"about:blank","title":"Bad Request","status":400,"detail":"layer 99 does not exist"}`, text)
	}
}

func TestAFullLineSaysWhenToAskAgain(t *testing.T) {
	run, begun, _ := gated(t)
	s, server := started(t, Options{Waiting: 1}, run)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	for i := range 2 {
		wg.Go(func() { asked(t, server.URL+"/api/v1/trace", string(request(i)), "Accept", "text/event-stream") })
	}
	<-begun
	require.Eventually(t, func() bool { waiting, _ := s.queue.length(); return waiting == 1 }, time.Minute, time.Millisecond)
	for _, accept := range []string{"", "text/event-stream"} {
		answer, text := asked(t, server.URL+"/api/v1/trace", `{"prompt":"a"}`, "Accept", accept)
		require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
		require.Equal(t, "1", answer.Header.Get("Retry-After"))
		require.Contains(t, text, "as many requests waiting as it may: ask again in 1 s")
	}
}

func TestAClientThatLeavesEndsItsWork(t *testing.T) {
	for _, accept := range []string{"", "text/event-stream"} {
		ended := make(chan error, 1)
		begun := make(chan struct{})
		_, server := started(t, Options{}, func(ctx context.Context, _ Call, _ io.Writer, w Watch) error {
			close(begun)
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		})
		ctx, leave := context.WithCancel(context.Background())
		go func() {
			<-begun
			leave()
		}()
		_, err := post(t, ctx, server.URL+"/api/v1/trace", `{"prompt":"a"}`, "Accept", accept)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, <-ended, context.Canceled)
	}
}

func TestASlowReaderOfEventsIsDropped(t *testing.T) {
	ended := make(chan error, 1)
	_, server := started(t, Options{Patience: 100 * time.Millisecond}, func(ctx context.Context, _ Call, answer io.Writer, w Watch) error {
		line := []byte(`"` + strings.Repeat("x", 1<<16) + `"` + "\n")
		for ctx.Err() == nil {
			if w.Line != nil {
				w.Line(line[:len(line)-1])
			}
		}
		ended <- ctx.Err()
		return ctx.Err()
	})
	answer, err := post(t, context.Background(), server.URL+"/api/v1/chat", `{"messages":[]}`, "Accept", "text/event-stream")
	require.NoError(t, err)
	defer answer.Body.Close() // and nothing is read
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestASlowReaderHoldsNobodyUp(t *testing.T) {
	_, server := started(t, Options{}, func(ctx context.Context, call Call, answer io.Writer, w Watch) error {
		if w.Line == nil {
			return echo(ctx, call, answer, w)
		}
		line := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
		for range 24 {
			w.Line(line)
		}
		return nil
	})
	slow, err := post(t, context.Background(), server.URL+"/api/v1/chat", `{"messages":[]}`, "Accept", "text/event-stream")
	require.NoError(t, err)
	defer slow.Body.Close()
	answer, _ := asked(t, server.URL+"/api/v1/trace", `{"prompt":"a"}`) // while the other reads nothing
	require.Equal(t, http.StatusOK, answer.StatusCode)
	text, err := io.ReadAll(slow.Body)
	require.NoError(t, err)
	require.Equal(t, 24, strings.Count(string(text), "event: token"), "who reads late has all the same")
	require.Contains(t, string(text), "event: result")
}

func TestAHeaderThatNeverEndsIsDropped(t *testing.T) {
	s := New(&fake{echo}, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l, Door{}, stop, time.Minute) }()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "POST /api/v1/trace HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
	if err == nil { // the server may have hung up before
		answer, err := bufio.NewReader(c).ReadString('\n')
		if err == nil {
			require.Contains(t, answer, "431")
		}
	}
	close(stop)
	require.NoError(t, <-done)
}

// A deadline for reading a request must not end its work.
func TestWorkMayTakeLongerThanARequestMay(t *testing.T) {
	const patience = 50 * time.Millisecond
	s := New(&fake{func(ctx context.Context, call Call, answer io.Writer, w Watch) error {
		select {
		case <-time.After(6 * patience):
			return echo(ctx, call, answer, w)
		case <-ctx.Done():
			return ctx.Err()
		}
	}}, Options{Patience: patience})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l, Door{}, stop, time.Minute) }()
	answer, text := asked(t, "http://"+l.Addr().String()+"/api/v1/trace", `{"prompt":"a"}`)
	require.Equal(t, http.StatusOK, answer.StatusCode, text)

	c, err := net.Dial("tcp", l.Addr().String()) // one that never ends what it asks
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "POST /api/v1/trace HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	line, _ := bufio.NewReader(c).ReadString('\n')
	require.Contains(t, line, "400")
	close(stop)
	require.NoError(t, <-done)
}

// So must it not hide that a client has left.
func TestAClientThatLeavesLateIsNoticed(t *testing.T) {
	const patience = 50 * time.Millisecond
	ended := make(chan error, 1)
	s := New(&fake{func(ctx context.Context, _ Call, _ io.Writer, _ Watch) error {
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}, Options{Patience: patience})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l, Door{}, stop, time.Minute) }()
	ctx, leave := context.WithTimeout(context.Background(), 6*patience)
	defer leave()
	_, err = post(t, ctx, "http://"+l.Addr().String()+"/api/v1/trace", `{"prompt":"a"}`)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, <-ended, context.Canceled)
	close(stop)
	require.NoError(t, <-done)
}

func TestALargeBodyIsRefused(t *testing.T) {
	_, server := started(t, Options{}, echo)
	answer, text := asked(t, server.URL+"/api/v1/trace", `{"prompt":"`+strings.Repeat("a", maxBody)+`"}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, answer.StatusCode)
	require.Contains(t, text, "the request has more than 16777216 bytes")
}

func TestWhatIsNoEndpointIsSaid(t *testing.T) {
	_, server := started(t, Options{}, echo)
	answer, text := asked(t, server.URL+"/api/v1/nothing", `{}`)
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	require.Contains(t, text, "trace, chat, patch, pair, info, steer")
	answer, _ = asked(t, server.URL+"/api/v1/trace", `{}`, "Content-Type", "text/plain")
	require.Equal(t, http.StatusUnsupportedMediaType, answer.StatusCode)
	for _, path := range []string{"/nothing", "/lens.js/more"} {
		nothing, err := http.Get(server.URL + path)
		require.NoError(t, err)
		text, err := io.ReadAll(nothing.Body)
		require.NoError(t, err)
		require.NoError(t, nothing.Body.Close())
		require.Equal(t, http.StatusNotFound, nothing.StatusCode)
		require.Equal(t, "application/problem+json", nothing.Header.Get("Content-Type"))
		require.Contains(t, string(text), "there is no "+path+": the page is at /")
	}
	answer, text = asked(t, server.URL+"/", `{}`)
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
	require.Contains(t, text, "/ takes no POST: the API, which takes POST, is under /api/v1/")
	info, err := http.Get(server.URL + "/api/v1/info")
	require.NoError(t, err)
	defer info.Body.Close()
	require.Equal(t, http.StatusOK, info.StatusCode, "what asks nothing needs no request")
	got, err := http.Get(server.URL + "/api/v1/trace")
	require.NoError(t, err)
	defer got.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
	require.Equal(t, "POST", got.Header.Get("Allow"))
}

func TestTheDoorKnowsHostsOriginsAndTokens(t *testing.T) {
	var log bytes.Buffer
	s := New(&fake{echo}, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	open := httptest.NewServer(s.Handler(Door{Names: []string{"lab.example"}}))
	defer open.Close()
	locked := httptest.NewServer(s.Handler(Door{Token: "correct horse battery"}))
	defer locked.Close()
	for _, c := range []struct {
		url    string
		header []string
		status int
	}{
		{open.URL, nil, 200},
		{open.URL, []string{"Host", "localhost:8642"}, 200},
		{open.URL, []string{"Host", "LAB.example"}, 200},
		{open.URL, []string{"Host", "[::1]:8642"}, 200},
		{open.URL, []string{"Host", "evil.example"}, 421},
		{open.URL, []string{"Host", "localhost.evil.example:8642"}, 421},
		{open.URL, []string{"Host", "127.0.0.1.evil.example"}, 421},
		{open.URL, []string{"Origin", open.URL}, 200},
		{open.URL, []string{"Origin", "http://evil.example"}, 403},
		{open.URL, []string{"Origin", "null"}, 403},
		{open.URL, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{open.URL, []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{locked.URL, nil, 401},
		{locked.URL, []string{"Authorization", "Bearer wrong"}, 401},
		{locked.URL, []string{"Authorization", "Bearer correct horse battery"}, 200},
		{locked.URL, []string{"Authorization", "bearer  correct horse battery"}, 200},
		{locked.URL, []string{"Authorization", "BEARER correct horse battery"}, 200},
		{locked.URL, []string{"Authorization", "Basic correct horse battery"}, 401},
		{locked.URL, []string{"Authorization", "correct horse battery"}, 401},
	} {
		answer, text := asked(t, c.url+"/api/v1/trace", `{"prompt":"secret words"}`, c.header...)
		require.Equal(t, c.status, answer.StatusCode, "%v: %s", c.header, text)
		require.Contains(t, answer.Header.Get("Content-Security-Policy"), "default-src 'none'")
		require.NotContains(t, answer.Header.Get("Content-Security-Policy"), "unsafe")
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
	}
	require.Contains(t, log.String(), "path=/api/v1/trace status=200")
	require.NotContains(t, log.String(), "horse")
	require.NotContains(t, log.String(), "secret")
}

func TestMetricsCountWhatCameOfRequests(t *testing.T) {
	_, server := started(t, Options{}, echo)
	asked(t, server.URL+"/api/v1/trace", `{"prompt":"a"}`)
	asked(t, server.URL+"/api/v1/trace", `{"wrong":1}`)
	asked(t, server.URL+"/api/v1/trace", `{}`, "Host", "evil.example")
	got, err := http.Get(server.URL + "/metrics")
	require.NoError(t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	for _, line := range []string{
		`mlxlens_requests_total{command="trace",outcome="ok"} 1`, `mlxlens_requests_total{command="trace",outcome="refused"} 1`,
		`mlxlens_turned_away_total{reason="host"} 1`, `mlxlens_request_seconds_count 2`, `mlxlens_waiting 0`, `mlxlens_working 0`, `# TYPE mlxlens_request_seconds histogram`,
	} {
		require.Contains(t, string(text), line+"\n")
	}
}

func TestNotesStandInHeadersAsJSON(t *testing.T) {
	_, server := started(t, Options{}, func(ctx context.Context, call Call, answer io.Writer, w Watch) error {
		w.Note("é\n😀\x7f")
		return echo(ctx, call, answer, w)
	})
	answer, _ := asked(t, server.URL+"/api/v1/trace", `{"prompt":"a"}`)
	var note string
	require.NoError(t, json.Unmarshal([]byte(answer.Header.Get("Mlxlens-Note")), &note))
	require.Equal(t, "é\n😀\x7f", note)
}
