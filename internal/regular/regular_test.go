//go:build !windows

package regular_test

import (
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/regular"
)

func TestWhatIsNoRegularFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	socket := filepath.Join(dir, "socket")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer listener.Close()
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("nowhere", link))
	toPipe := filepath.Join(dir, "to-pipe")
	require.NoError(t, os.Symlink(pipe, toPipe))
	for path, want := range map[string]string{
		pipe: "it is a pipe", toPipe: "it is a pipe", socket: "it is a socket", dir: "it is a folder",
		"/dev/zero": "it is a device", "/dev/tty": "it is a device", link: `is a link to "nowhere", which is missing`,
	} {
		_, _, err := regular.Open(path)
		require.ErrorContains(t, err, want, path)
		_, err = regular.Read(path, 100)
		require.ErrorContains(t, err, want, path)
	}
	_, _, err = regular.Open(link)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestAFileThatIsTooLargeIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("12345"), 0o600))
	got, err := regular.Read(path, 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(got))
	require.NoError(t, os.Truncate(path, 1<<40)) // no such disk is there
	_, err = regular.Read(path, 5)
	require.EqualError(t, err, "has 1099511627776 bytes (at most 5)")
}

func TestTextMayComeFromAPipeAndIsBounded(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	go func() {
		_ = os.WriteFile(pipe, []byte("one\ntwo\n"), 0o600)
	}()
	r, err := regular.OpenText(pipe, 10, 100)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", string(got))
	require.NoError(t, r.Close())

	_, err = regular.OpenText("/dev/zero", 10, 100)
	require.ErrorContains(t, err, "it is a device")
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, make([]byte, 101), 0o600))
	_, err = regular.OpenText(file, 10, 100)
	require.ErrorContains(t, err, "has 101 bytes (at most 100)")

	_, err = io.ReadAll(regular.Lines(strings.NewReader("short\n"+strings.Repeat("x", 11)), 10, 100))
	require.ErrorContains(t, err, "line 2 has more than 10 bytes")
	_, err = io.ReadAll(regular.Lines(strings.NewReader(strings.Repeat("x\n", 51)), 10, 100))
	require.ErrorContains(t, err, "more than 100 bytes")
	got, err = io.ReadAll(regular.Lines(strings.NewReader(strings.Repeat("x\n", 50)), 10, 100))
	require.NoError(t, err)
	require.Len(t, got, 100)
}

func TestJSONInAnotherEncodingIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"\xef\xbb\xbf{}":    "byte order mark",
		"\xff\xfe{\x00":     "UTF-16 or UTF-32",
		"\xfe\xff\x00{":     "UTF-16 or UTF-32",
		"{\x00}\x00":        "UTF-16 or UTF-32",
		"\x00{\x00}":        "UTF-16 or UTF-32",
		"{\"a\": \"\xe4\"}": "not UTF-8",
	} {
		require.ErrorContains(t, regular.CheckUTF8([]byte(text)), want)
	}
	require.NoError(t, regular.CheckUTF8([]byte(`{"a": "ä"}`)))
	require.NoError(t, regular.CheckUTF8(nil))
}
