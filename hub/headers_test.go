package hub

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// raw answers each connection with the same bytes, and counts them.
func raw(t *testing.T, answer []byte) (address string, count *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	count = &atomic.Int32{}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 4096)) // the request
				_, _ = conn.Write(answer)
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return "http://" + l.Addr().String(), count
}

// What is no HTTP is none the next time either.
func TestAnAnswerThatIsNoHTTPIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, answer := range map[string][]byte{
		"20 MB of headers":          []byte(ok + strings.Repeat("X-Long: "+strings.Repeat("a", 1000)+"\r\n", 20_000)),
		"a header of 20 MB":         append([]byte(ok+"X: "), bytes.Repeat([]byte("a"), 20<<20)...),
		"a header without a colon":  []byte(ok + "nonsense\r\n\r\n"),
		"a header with control":     []byte(ok + "A\x01B: c\r\n\r\n"),
		"a length that is none":     []byte(ok + "Content-Length: ten\r\n\r\n"),
		"two lengths":               []byte(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
		"an unknown encoding":       []byte(ok + "Transfer-Encoding: br\r\n\r\n"),
		"no status":                 []byte("HTTP/1.1 abc OK\r\n\r\n"),
		"another protocol":          []byte("SSH-2.0-OpenSSH_9.6\r\n"),
		"a thousand hints":          bytes.Repeat([]byte("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("a", 4000)+"\r\n\r\n"), 1000),
		"an alert of TLS":           []byte("\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"),
		"a version that is unknown": []byte("HTTP/9.x 200 OK\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, count := raw(t, answer)
			c, err := New(Options{Cache: t.TempDir(), Endpoint: address, Wait: 1})
			require.NoError(t, err)
			_, err = c.Plan(t.Context(), Ref{Owner: "someone", Name: "tiny"}, PullOptions{})
			require.ErrorIs(t, err, ErrProtocol)
			require.ErrorContains(t, err, "hub: someone/tiny: what answers there does not speak HTTP (")
			require.ErrorContains(t, err, "check HF_ENDPOINT and the proxy")
			require.Less(t, len(err.Error()), 500)
			require.LessOrEqual(t, count.Load(), int32(2), "net/http itself may try a connection that it kept once more")
		})
	}
}

func TestAFileThatIsRefusedAsAPartSaysWhatToDo(t *testing.T) {
	t.Parallel()
	failingPull{
		server: onFile(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) }),
		is:     []error{ErrProtocol}, says: []string{shard1, "was asked for the whole of it, and answers 416", "check HF_ENDPOINT and the proxy"},
	}.check(t)
}
