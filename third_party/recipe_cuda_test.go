package thirdparty_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// newLinux is a Linux machine for the recipe, with the given CUDA libraries and nobody's else.
func newLinux(t *testing.T, has ...string) *mac {
	m := newMac(t)
	m.program("uname", `case $1 in -s) echo Linux ;; -m) echo x86_64 ;; esac`)
	python, err := exec.LookPath("python3")
	require.NoError(t, err)
	cc, err := exec.LookPath("cc")
	require.NoError(t, err)
	whole := "PATH=" + os.Getenv("PATH") + " "
	cc, python = whole+cc, whole+python
	m.program("python3", `case "$*" in
"-m pip --version") echo pip ;;
"-c import ctypes"*) case " `+strings.Join(has, " ")+` libopenblas.so.0 " in *" ${@: -1} "*) ;; *) exit 1 ;; esac ;;
"-m pip download "*)
	folder="${@: -1}/"; file="${@: -3:1}"
	package=$(sed -n 's/==.*//p' "$file"); echo "$package" >>"`+filepath.Join(m.recipe, "fetched")+`"
	grep -q -- --hash=sha256: "$file" || exit
	mkdir -p "$folder/w" && cd "$folder/w" || exit
	case $package in
	mlx-cuda-13)
		mkdir -p mlx/lib mlx/include/{cccl,cute,cutlass,mlx} mlx_cuda_13.libs mlx.dist-info/licenses && echo MIT >mlx.dist-info/licenses/LICENSE && : >mlx/include/cccl/a >mlx/include/cute/a >mlx/include/cutlass/a >mlx_cuda_13.libs/libblas || exit
		echo 'int mlx(void) { return 1; }' | `+cc+` -x c -shared -fPIC -Wl,-soname,libmlx.so -o mlx/lib/libmlx.so - || exit ;;
	nvidia-*)
		case $package in
		nvidia-cublas) place=cu13 library=libcublasLt.so.13 ;;
		nvidia-cuda-nvrtc) place=cu13 library=libnvrtc.so.13 ;;
		nvidia-cuda-runtime) place=cu13 library=libcudart.so.13 ;;
		nvidia-cuda-crt) place=cu13 library=headers ;;
		nvidia-cudnn-cu13) place=cudnn library=libcudnn.so.9 ;;
		nvidia-cufft) place=cu13 library=libcufft.so.12 ;;
		nvidia-nccl-cu13) place=nccl library=libnccl.so.2 ;;
		nvidia-nvjitlink) place=cu13 library=libnvJitLink.so.13 ;;
		esac
		mkdir -p "nvidia/$place/lib" && : >"nvidia/$place/lib/$library" || exit ;;
	*) exit 1 ;;
	esac
	env `+python+` -m zipfile -c ../one.whl * && cd .. && rm -r w ;;
*) exec env `+python+` "$@" ;;
esac`)
	m.program("c++", `case "$1" in
--version) echo g++ ;;
-shared) exec env `+cc+` -x c -shared -fPIC "${@:2:3}" -o "${@: -3:1}" - -x none "${@: -1}" <<<'int mlx(void); int mlx_compile_cache_new(void) { return mlx(); }' ;;
*) source="${@: -1}"; name="${source##*/}"; cat "$source" >"${name%.cpp}.o" ;;
esac`)
	m.sources("int x;")
	return m
}

// fetched are the packages that the recipe asked for, in order.
func (m *mac) fetched() []string {
	text, err := os.ReadFile(filepath.Join(m.recipe, "fetched"))
	require.NoError(m, err)
	return strings.Fields(string(text))
}

func TestCUDAIsFetchedWhereTheSystemHasItNot(t *testing.T) {
	m := newLinux(t)
	said, err := m.run("MLX_C_BACKEND=cuda")
	require.NoError(t, err, said)
	require.Equal(t, []string{"mlx-cuda-13", "nvidia-cublas", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime", "nvidia-cudnn-cu13", "nvidia-cufft", "nvidia-nccl-cu13", "nvidia-nvjitlink", "nvidia-cuda-crt"}, m.fetched())
	require.Contains(t, said, "made, and not loaded: libcuda.so.1, which NVIDIA's driver brings, is not here")
	for _, name := range []string{"libmlxc.so", "mlx/lib/libmlx.so", "mlx/include/cccl/a", "mlx/include/cute/a", "mlx/include/cutlass/a", "mlx_cuda_13.libs/libblas", "nvidia/cudnn/lib/libcudnn.so.9"} {
		require.FileExists(t, filepath.Join(m.recipe, "mlx-c", "lib", name))
	}
}

func TestCUDAOfTheSystemIsUsed(t *testing.T) {
	m := newLinux(t, "libcuda.so.1", "libcublasLt.so.13", "libnvrtc.so.13", "libcudart.so.13", "libcudnn.so.9", "libcufft.so.12", "libnvJitLink.so.13")
	said, err := m.run("MLX_C_BACKEND=cuda")
	require.NoError(t, err, said)
	require.Equal(t, []string{"mlx-cuda-13", "nvidia-nccl-cu13"}, m.fetched())
	require.Contains(t, said, "loading it … ")

	// the backend is part of what the library is: another one is made anew where it is asked for, and not by chance
	for _, env := range []string{"MLX_C_BACKEND=cuda", "MLX_C_BACKEND="} {
		said, err = m.run(env)
		require.NoError(t, err, said)
		require.Empty(t, said)
	}
	said, err = m.run("MLX_C_BACKEND=cpu", "MLX_C_RELEASE=1")
	require.Error(t, err)
	require.Contains(t, said, "is for NVIDIA's GPUs, and a release has none of CUDA: MLX_C_BACKEND=cpu make mlx-c replaces it")
	require.Len(t, m.fetched(), 2)
	said, err = m.run("MLX_C_BACKEND=cpu")
	require.Error(t, err)
	require.Equal(t, "mlx-cpu", m.fetched()[2], said)
}

func TestAPartOfCUDAThatTheSystemHasNoMoreIsFetched(t *testing.T) {
	all := []string{"libcuda.so.1", "libcublasLt.so.13", "libnvrtc.so.13", "libcudart.so.13", "libcudnn.so.9", "libcufft.so.12", "libnvJitLink.so.13"}
	m := newLinux(t, all...)
	said, err := m.run("MLX_C_BACKEND=cuda")
	require.NoError(t, err, said)
	fewer := newLinux(t, all[:5]...)
	require.NoError(t, os.CopyFS(filepath.Join(fewer.recipe, "mlx-c", "lib"), os.DirFS(filepath.Join(m.recipe, "mlx-c", "lib"))))
	said, err = fewer.run("MLX_C_BACKEND=") // who asks for nothing is told when the library is opened
	require.NoError(t, err, said)
	require.Empty(t, said)
	said, err = fewer.run("MLX_C_BACKEND=cuda")
	require.NoError(t, err, said)
	require.Contains(t, said, "the system has no libcufft.so.12 libnvJitLink.so.13 any more: ")
	require.Equal(t, []string{"mlx-cuda-13", "nvidia-cufft", "nvidia-nccl-cu13", "nvidia-nvjitlink", "nvidia-cuda-runtime", "nvidia-cuda-crt"}, fewer.fetched())
	said, err = fewer.run("MLX_C_BACKEND=cuda")
	require.NoError(t, err, said)
	require.Empty(t, said)
}

// libmlx compiles with the headers of nvidia/cu13 where that folder is, and those of the system's CUDA are not there.
func TestHeadersAreFetchedWithAnyPartOfCUDA(t *testing.T) {
	m := newLinux(t, "libcuda.so.1", "libnvrtc.so.13", "libcudart.so.13", "libcudnn.so.9", "libcufft.so.12", "libnccl.so.2", "libnvJitLink.so.13")
	said, err := m.run("MLX_C_BACKEND=cuda")
	require.NoError(t, err, said)
	require.Equal(t, []string{"mlx-cuda-13", "nvidia-cublas", "nvidia-cuda-runtime", "nvidia-cuda-crt"}, m.fetched())
	require.Contains(t, said, "downloading CUDA's headers")
}

func TestWhatGoDoesNotGetIsGotByCargo(t *testing.T) {
	m := newLinux(t)
	m.program("go", `case "$1 $2" in "env GOMODCACHE") echo /nowhere ;; *) echo "403 Forbidden" >&2; exit 1 ;; esac`)
	m.program("id", "echo 1000")
	said, err := m.run("MLX_C_BACKEND=cuda")
	require.Error(t, err)
	require.Contains(t, said, "| 403 Forbidden")
	require.Contains(t, said, "go did not get it; cargo gets it from elsewhere\nmlx-c: missing: cargo (1.70 or later). Install ")

	m.program("id", "echo 0")
	m.program("apt-cache", "exit 1")
	m.program("apt-get", `case "$*" in *"install "*" cargo") ln -s cargo-1.80 "`+m.bin+`/cargo" ;; esac`)
	m.program("cargo-1.80", `case $1 in
--version) echo "cargo 1.80.0" ;;
vendor) mkdir -p "${@: -1}/mlx-sys/src/mlx-c/mlx/c" && cd "${@: -1}/mlx-sys/src/mlx-c" && echo MIT >LICENSE && : >mlx/c/array.h && printf 'int x;' >mlx/c/array.cpp ;;
esac`)
	said, err = m.run("MLX_C_BACKEND=cuda")
	require.NoError(t, err, said)
	require.Contains(t, said, "downloading mlx-c by cargo, 1 MB … ")
}

func TestABackendThatTheSystemHasNotIsRefused(t *testing.T) {
	for _, name := range []string{"rocm", "metal", "cpu, cuda", "cuda "} {
		said, err := newLinux(t).run("MLX_C_BACKEND=" + name)
		require.Error(t, err)
		require.Contains(t, said, "MLX_C_BACKEND is "+name+" (have on Linux: cpu, cuda)")
	}
	// a Mac with a library of Homebrew's is asked for a backend too, and so is one that a Linux machine builds for
	for _, name := range []string{"cuda", "cpu"} {
		m := newMac(t)
		m.homebrew("0.7.0")
		said, err := m.run("MLX_C_BACKEND=" + name)
		require.Error(t, err)
		require.Contains(t, said, "MLX_C_BACKEND is "+name+" (have on macOS: metal, which needs no naming")
		said, err = newLinux(t).run("MLX_C_BACKEND="+name, "MLX_C_TARGET=Darwin-arm64")
		require.Error(t, err)
		require.Contains(t, said, "MLX_C_BACKEND is "+name+" (have on macOS: metal")
	}
	m := newMac(t)
	m.homebrew("0.7.0")
	said, err := m.run("MLX_C_BACKEND=metal")
	require.NoError(t, err, said)
}
