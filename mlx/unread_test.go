package mlx_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/mlx"
)

// sparse writes a file of safetensors with n tensors of size bytes of zeros, which takes no
// space on the disk.
func sparse(t *testing.T, n, size int) string {
	t.Helper()
	var header strings.Builder
	for i := range n {
		fmt.Fprintf(&header, `,"t%d":{"dtype":"F32","shape":[%d],"data_offsets":[%d,%d]}`, i, size/4, i*size, (i+1)*size)
	}
	path := filepath.Join(t.TempDir(), "sparse.safetensors")
	file := safetensors("{"+header.String()[1:]+"}", 0)
	require.NoError(t, os.WriteFile(path, file, 0o600))
	require.NoError(t, os.Truncate(path, int64(len(file)+n*size)))
	return path
}

// openFiles counts the files of this process that lie in a folder, -1 where it cannot be told.
func openFiles(dir string) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	n := 0
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, dir) {
			n++
		}
	}
	return n
}

func TestOpeningAFileReadsNoTensor(t *testing.T) {
	const tensors, size = 16, 64 << 20 // 1 GB
	path := sparse(t, tensors, size)
	s := mlx.NewScope(mlx.CPU)
	before, handles := mlx.ActiveMemory(), mlx.LiveArrays()
	arrays, metadata, err := mlx.LoadSafetensors(s, path)
	require.NoError(t, err)
	require.Nil(t, metadata)
	require.Len(t, arrays, tensors)
	for _, a := range arrays {
		require.Equal(t, "float32[16777216]", a.String())
		require.Equal(t, []int{size / 4, 1, size, 0}, []int{a.Size(), a.Ndim(), a.Nbytes(), a.Dim(1)})
		require.False(t, a.Ready())
	}
	require.LessOrEqual(t, mlx.ActiveMemory(), before)
	require.LessOrEqual(t, mlx.LiveArrays(), handles)

	require.NoError(t, mlx.Eval(arrays["t3"]))
	require.InDelta(t, before+size, mlx.ActiveMemory(), 1<<20, "one tensor costs that tensor")
	require.True(t, arrays["t3"].Ready())
	arrays["t3"].Free()
	require.NoError(t, mlx.Eval(mlx.Scalar(s, int32(1))))
	require.Less(t, mlx.ActiveMemory(), before+size/2)
	s.Close()
	require.LessOrEqual(t, openFiles(filepath.Dir(path)), 0, "the file is closed with its last array")
}

func TestUnreadArraysAreReadOnceByWhoeverComes(t *testing.T) {
	s := scope(t)
	path := filepath.Join(t.TempDir(), "x.safetensors")
	want := random(s, 1, -1, 1, 300, 70)
	require.NoError(t, mlx.SaveSafetensors(path, map[string]*mlx.Array{"x": want, "y": mlx.Ones(s, mlx.Int8, 5)}, nil))
	require.NoError(t, mlx.SaveNpy(path+".npy", mlx.Transpose(want)))
	for range 50 {
		inner := mlx.NewScope(mlx.CPU)
		arrays, _, err := mlx.LoadSafetensors(inner, path)
		require.NoError(t, err)
		before := mlx.LiveArrays()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				ok, err := mlx.Item[bool](mlx.ArrayEqual(mlx.Add(arrays["x"], mlx.Zeros(inner, mlx.Float32)), want, false))
				if !ok || err != nil {
					t.Error(ok, err)
				}
			})
		}
		all.Wait()
		require.LessOrEqual(t, mlx.LiveArrays(), before+1+3*8, "x was read once, y never")
		inner.Close()
		require.ErrorIs(t, mlx.Eval(arrays["x"]), mlx.ErrFreed)
		require.ErrorIs(t, mlx.Eval(arrays["y"]), mlx.ErrFreed)
		require.Nil(t, arrays["y"].Shape())
	}
	identical(t, mlx.Transpose(want), mlx.LoadNpy(s, path+".npy"), "npy")
	require.LessOrEqual(t, openFiles(filepath.Dir(path)), 0)
}

func TestUnreadArraysMayBeFreedWhileTheyAreRead(t *testing.T) {
	s := scope(t)
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, mlx.SaveSafetensors(path, map[string]*mlx.Array{"x": mlx.Ones(s, mlx.Float32, 1000)}, nil))
	for i := range 300 {
		arrays, _, err := mlx.LoadSafetensors(mlx.On(mlx.CPU), path)
		require.NoError(t, err)
		x := arrays["x"]
		var all sync.WaitGroup
		all.Go(func() {
			got, err := mlx.Data[float32](x)
			if err == nil && (len(got) != 1000 || got[999] != 1) {
				t.Error("the data are not the file's")
			}
		})
		all.Go(x.Free)
		all.Go(func() {
			if i%2 == 0 {
				x.Free()
			}
		})
		all.Wait()
		require.ErrorIs(t, mlx.Eval(x), mlx.ErrFreed)
	}
	require.LessOrEqual(t, openFiles(filepath.Dir(path)), 0)
}

func TestTheCollectorFindsUnreadArrays(t *testing.T) {
	path := sparse(t, 4, 1<<20)
	before, handles := mlx.ActiveMemory(), mlx.LiveArrays()
	func() {
		arrays, _, err := mlx.LoadSafetensors(nil, path)
		require.NoError(t, err)
		require.NoError(t, mlx.Eval(arrays["t0"]))
		require.LessOrEqual(t, mlx.LiveArrays(), handles+1)
	}()
	settled(t, before)
	require.Eventually(t, func() bool {
		runtime.GC()
		return openFiles(filepath.Dir(path)) <= 0
	}, 20*time.Second, 5*time.Millisecond)
}

func TestAFileThatShrinksIsTheErrorOfItsArrays(t *testing.T) {
	if emulated.Processor() {
		t.Skip("qemu-user gives the signal of a page that is gone no address where Go looks for it on arm64 (fault_address)")
	}
	s := scope(t)
	path := sparse(t, 4, 1<<20)
	arrays, _, err := mlx.LoadSafetensors(s, path)
	require.NoError(t, err)
	require.NoError(t, mlx.Eval(arrays["t0"]))
	size := int64(1<<20 + 4096)
	require.NoError(t, os.Truncate(path, size))
	bad := mlx.Add(arrays["t3"], arrays["t0"])
	require.ErrorIs(t, bad.Err(), mlx.ErrFile)
	require.ErrorIs(t, mlx.Eval(arrays["t3"]), mlx.ErrFile)
	require.ErrorIs(t, mlx.Eval(mlx.Exp(arrays["t3"])), mlx.ErrFile)
	require.ErrorContains(t, arrays["t3"].Err(), "cut short")
	require.ErrorIs(t, mlx.Eval(arrays["t1"]), mlx.ErrFile, "a part of it is gone")
	require.NoError(t, mlx.Eval(mlx.Exp(arrays["t0"])), "it was read before")

	x := filepath.Join(t.TempDir(), "x.npy")
	require.NoError(t, mlx.SaveNpy(x, mlx.Ones(s, mlx.Float32, 1000)))
	for _, size := range []int64{4000, 100, 0, 5000} {
		a := mlx.LoadNpy(s, x)
		require.NoError(t, a.Err())
		whole, err := os.ReadFile(x)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(x, size))
		_, err = mlx.Data[float32](a)
		require.ErrorIs(t, err, mlx.ErrFile)
		require.NoError(t, os.WriteFile(x, whole, 0o600))
	}
}

func TestAFileMayBeReplacedWhileItIsRead(t *testing.T) {
	s := scope(t)
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, mlx.SaveSafetensors(path, map[string]*mlx.Array{"x": mlx.Ones(s, mlx.Float32, 3)}, nil))
	arrays, _, err := mlx.LoadSafetensors(s, path)
	require.NoError(t, err)
	twice := map[string]*mlx.Array{"x": mlx.Add(mlx.LoadNpy(s, path+".none"), arrays["x"])}
	require.ErrorIs(t, mlx.SaveSafetensors(path, twice, nil), mlx.ErrFile, "the file is as it was")
	twice = map[string]*mlx.Array{"x": mlx.Add(arrays["x"], arrays["x"])}
	require.NoError(t, mlx.SaveSafetensors(path, twice, nil), "onto the file that it comes from")
	again, _, err := mlx.LoadSafetensors(s, path)
	require.NoError(t, err)
	near(t, []float32{2, 2, 2}, again["x"], "written")
	near(t, []float32{1, 1, 1}, arrays["x"], "of the old file")
}

func TestBooleansOfAFileAreCheckedWhenTheyAreRead(t *testing.T) {
	s := scope(t)
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, os.WriteFile(path, safetensors(`{"a":{"dtype":"BOOL","shape":[16],"data_offsets":[0,16]}}`, 16), 0o600))
	arrays, _, err := mlx.LoadSafetensors(s, path)
	require.NoError(t, err)
	_, err = mlx.Data[bool](arrays["a"])
	require.ErrorIs(t, err, mlx.ErrFile)
	require.ErrorContains(t, err, `element 0 of "a" is 63, not a boolean`)
}

// counting discards what it is given, and knows the most that was active meanwhile.
type counting struct{ bytes, most int }

func (c *counting) Write(p []byte) (int, error) {
	c.bytes, c.most = c.bytes+len(p), max(c.most, mlx.ActiveMemory())
	return len(p), nil
}

func TestSavingCopiesNothing(t *testing.T) {
	s := scope(t)
	const n = 8 << 20
	arrays := map[string]*mlx.Array{}
	for i := range 8 {
		arrays[fmt.Sprint(i)] = mlx.Full(s, float64(i), mlx.Float32, n/4)
		require.NoError(t, mlx.Eval(arrays[fmt.Sprint(i)]))
	}
	arrays["bool"], arrays["brain"] = mlx.Ones(s, mlx.Bool, n), mlx.Full(s, 2, mlx.BFloat16, n/2)
	require.NoError(t, mlx.Eval(arrays["bool"], arrays["brain"]))
	before := mlx.ActiveMemory()
	var w counting
	allocated := func(f func()) int {
		var from, to runtime.MemStats
		runtime.ReadMemStats(&from)
		f()
		runtime.ReadMemStats(&to)
		return int(to.TotalAlloc - from.TotalAlloc)
	}
	require.Less(t, allocated(func() { require.NoError(t, mlx.WriteSafetensors(&w, arrays, nil)) }), 1<<20, "of 80 MB")
	require.Greater(t, w.bytes, 10*n)
	require.Less(t, allocated(func() { require.NoError(t, mlx.WriteNpy(&w, arrays["brain"])) }), 1<<20)
	require.LessOrEqual(t, w.most, before+1<<16)
}

func TestWhatIsSavedOfAFailedArrayIsItsError(t *testing.T) {
	s := scope(t)
	var b bytes.Buffer
	wrong := mlx.Add(mlx.Ones(s, mlx.Float32, 2), mlx.Ones(s, mlx.Float32, 3))
	require.ErrorIs(t, mlx.WriteSafetensors(&b, map[string]*mlx.Array{"x": wrong}, nil), mlx.ErrShape)
	require.Zero(t, b.Len())
	x := mlx.Ones(s, mlx.Float32, 3)
	x.Free()
	require.ErrorIs(t, mlx.WriteSafetensors(io.Discard, map[string]*mlx.Array{"x": x}, nil), mlx.ErrFreed)
	require.ErrorIs(t, mlx.WriteNpy(io.Discard, x), mlx.ErrFreed)
}

// What is saved before it is read goes from file to file.
func TestSavingAnUnreadArrayLeavesItUnread(t *testing.T) {
	dir, s := t.TempDir(), scope(t)
	first, second := filepath.Join(dir, "a.safetensors"), filepath.Join(dir, "b.safetensors")
	arrays := map[string]*mlx.Array{
		"x": mlx.Reshape(mlx.Arange(s, 0, 6, 1, mlx.Float32), 2, 3), "half": mlx.Ones(s, mlx.BFloat16, 4), "yes": mlx.FromSlice(s, []bool{true, false}),
	}
	require.NoError(t, mlx.SaveSafetensors(first, arrays, nil))
	opened, _, err := mlx.LoadSafetensors(s, first)
	require.NoError(t, err)
	handles := mlx.LiveArrays()
	require.NoError(t, mlx.SaveSafetensors(second, opened, nil))
	require.Equal(t, handles, mlx.LiveArrays())
	want, err := os.ReadFile(first)
	require.NoError(t, err)
	got, err := os.ReadFile(second)
	require.NoError(t, err)
	require.Equal(t, want, got)

	npy := filepath.Join(dir, "x.npy")
	require.NoError(t, mlx.SaveNpy(npy, opened["x"]))
	again := mlx.LoadNpy(s, npy)
	handles = mlx.LiveArrays()
	var copied bytes.Buffer
	require.NoError(t, mlx.WriteNpy(&copied, again))
	require.Equal(t, handles, mlx.LiveArrays())
	want, err = os.ReadFile(npy)
	require.NoError(t, err)
	require.Equal(t, want, copied.Bytes())
	require.Equal(t, []float32{0, 1, 2, 3, 4, 5}, floats(t, again))

	require.NoError(t, os.Truncate(npy, int64(len(want)-4)))
	cut := mlx.LoadNpy(s, second+".npy")
	require.ErrorIs(t, cut.Err(), mlx.ErrFile)
	require.NoError(t, os.WriteFile(npy, want, 0o600))
	cut = mlx.LoadNpy(s, npy)
	require.NoError(t, os.Truncate(npy, int64(len(want)-4)))
	require.ErrorIs(t, mlx.WriteNpy(io.Discard, cut), mlx.ErrFile)

	// a boolean that is neither
	bad := safetensors(`{"b":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}`, 0)
	require.NoError(t, os.WriteFile(first, append(bad, 1, 7), 0o600))
	opened, _, err = mlx.LoadSafetensors(s, first)
	require.NoError(t, err)
	require.ErrorIs(t, mlx.WriteSafetensors(io.Discard, opened, nil), mlx.ErrFile)
}
