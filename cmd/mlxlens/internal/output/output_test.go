package output

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func place(t *testing.T, name string) *Place {
	t.Helper()
	p, err := Find(name, io.Discard)
	require.NoError(t, err)
	return p
}

func put(t *testing.T, path, text string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func says(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func requireText(t *testing.T, want, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func TestAFileIsKnownByAnyOfItsNames(t *testing.T) {
	dir := t.TempDir()
	file := put(t, filepath.Join(dir, "in.txt"), "x")
	hard, soft, twice := filepath.Join(dir, "hard"), filepath.Join(dir, "soft"), filepath.Join(dir, "twice")
	require.NoError(t, os.Link(file, hard))
	require.NoError(t, os.Symlink("in.txt", soft))
	require.NoError(t, os.Symlink("soft", twice))
	for _, name := range []string{file, hard, soft, twice, filepath.Join(dir, ".", "x", "..", "in.txt")} {
		require.ErrorContains(t, place(t, name).Refuse(file, "the input"), "is the input", name)
		require.ErrorContains(t, place(t, file).Refuse(name, "the input"), "is the input", name)
	}
	require.NoError(t, place(t, put(t, filepath.Join(dir, "other"), "x")).Refuse(file, "the input"))
	require.NoError(t, place(t, filepath.Join(dir, "new")).Refuse(file, "the input"))
}

func TestAFolderThatIsReadIsNotWrittenTo(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "model")
	require.NoError(t, os.MkdirAll(filepath.Join(model, "sub"), 0o755))
	weights := put(t, filepath.Join(model, "w"), "x")
	require.NoError(t, os.Symlink(model, filepath.Join(dir, "link")))
	require.NoError(t, os.Link(weights, filepath.Join(dir, "hard")))
	for _, name := range []string{"model/w", "model/new", "model/sub/new", "link/new", "link/sub/../new", "hard"} {
		require.Error(t, place(t, filepath.Join(dir, name)).RefuseFolder(model, "the model"), name)
	}
	require.NoError(t, place(t, filepath.Join(dir, "new")).RefuseFolder(model, "the model"))
	require.NoError(t, place(t, "-").RefuseFolder(model, "the model"))
}

func TestAFailureLeavesWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := put(t, filepath.Join(dir, "out.json"), "before")
	f, err := place(t, path).Create()
	require.NoError(t, err)
	require.ErrorContains(t, f.Write(func(w io.Writer) error { io.WriteString(w, "half"); return errors.New("no more") }), "cannot be written: no more")
	requireText(t, "before", path)
	f, err = place(t, path).Create()
	require.NoError(t, err)
	f.Drop()
	requireText(t, "before", path)
	require.Len(t, names(t, dir), 1)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestTheSecondWriterIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, open := range map[string]func(*Place) (io.Closer, error){
		"whole": func(p *Place) (io.Closer, error) {
			f, err := p.Create()
			if err != nil {
				return nil, err
			}
			return closer(f.Drop), nil
		},
		"lines": func(p *Place) (io.Closer, error) { return p.Continue() },
	} {
		path := put(t, filepath.Join(dir, name), "")
		first, err := open(place(t, path))
		require.NoError(t, err)
		_, err = open(place(t, path))
		require.ErrorContains(t, err, "another process writes it now", name)
		require.NoError(t, first.Close())
		again, err := open(place(t, path))
		require.NoError(t, err, name)
		require.NoError(t, again.Close())
	}
}

type closer func()

func (c closer) Close() error { c(); return nil }

func TestTheLockGoesWithAReplacement(t *testing.T) {
	path := put(t, filepath.Join(t.TempDir(), "out.jsonl"), "one\ntwo\n")
	j, err := place(t, path).Continue()
	require.NoError(t, err)
	require.NoError(t, j.Replace(says("ONE\ntwo\n")))
	_, err = place(t, path).Continue()
	require.ErrorContains(t, err, "another process writes it now")
	_, err = j.Write([]byte("three\n"))
	require.NoError(t, err)
	require.NoError(t, j.Close())
	requireText(t, "ONE\ntwo\nthree\n", path)
	require.Equal(t, []string{"out.jsonl"}, names(t, filepath.Dir(path)))
}

func TestWhatAKilledRunLeftGoesAndWhatLivesStays(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.json")
	alive, err := newTemporary(filepath.Join(dir, "other.json"))
	require.NoError(t, err)
	defer alive.Close()
	dead := put(t, filepath.Join(dir, ".out.json.0123456789abcdef"+partial), "half")
	mine := put(t, filepath.Join(dir, ".out.json.backup"), "mine")
	f, err := place(t, path).Create()
	require.NoError(t, err)
	require.NoError(t, f.Write(says("whole")))
	require.NoFileExists(t, dead)
	require.FileExists(t, mine)
	require.FileExists(t, alive.Name())
	requireText(t, "whole", path)
}

func TestANewFileThatGotNoLineGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	j, err := place(t, path).Continue()
	require.NoError(t, err)
	require.NoError(t, j.Close())
	require.NoFileExists(t, path)
}

func TestLinksAreWrittenThrough(t *testing.T) {
	dir := t.TempDir()
	far := filepath.Join(dir, "far")
	require.NoError(t, os.Mkdir(far, 0o755))
	for name, target := range map[string]string{"there": put(t, filepath.Join(far, "a"), "old"), "dangling": filepath.Join(far, "b")} {
		link := filepath.Join(dir, name)
		require.NoError(t, os.Symlink(target, link))
		f, err := place(t, link).Create()
		require.NoError(t, err)
		require.NoError(t, f.Write(says("new")))
		requireText(t, "new", target)
		to, err := os.Readlink(link)
		require.NoError(t, err)
		require.Equal(t, target, to)
	}
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	_, err := Find(filepath.Join(dir, "loop"), io.Discard)
	require.ErrorContains(t, err, "leads through more than 40 others")
}

func TestStdoutHasManyNames(t *testing.T) {
	link := filepath.Join(t.TempDir(), "out.json")
	require.NoError(t, os.Symlink("/dev/stdout", link))
	for _, name := range []string{"-", "/dev/stdout", "/dev/fd/1", link} {
		var b bytes.Buffer
		p, err := Find(name, &b)
		require.NoError(t, err)
		require.True(t, p.Stdout(), name)
		f, err := p.Create()
		require.NoError(t, err)
		require.NoError(t, f.Write(says("text")))
		require.False(t, f.Replaces())
		require.Equal(t, "text", b.String())
	}
}

func TestPermissionsOfAFileStay(t *testing.T) {
	path := put(t, filepath.Join(t.TempDir(), "out.json"), "old")
	require.NoError(t, os.Chmod(path, 0o640))
	f, err := place(t, path).Create()
	require.NoError(t, err)
	require.True(t, f.Replaces())
	require.NoError(t, f.Write(says("new")))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
}

func TestALongNameHasRoomForATemporary(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 250)+".json")
	f, err := place(t, path).Create()
	require.NoError(t, err)
	require.NoError(t, f.Write(says("x")))
	requireText(t, "x", path)
}
