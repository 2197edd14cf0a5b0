package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smollm2 returns the path of the SmolLM2 GGUF file that make model downloads.
func smollm2(t testing.TB) string {
	t.Helper()
	path := filepath.Join("..", "models", "smollm2", readRecorded(t).SmolLM2.File)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no models/smollm2/%s: make model downloads it", filepath.Base(path))
	}
	return path
}

func TestSmolLM2IsWhatGGMLAndMLXMakeOfIt(t *testing.T) {
	t.Parallel()
	c := opened(t, smollm2(t))
	want := readRecorded(t).SmolLM2
	sums := map[string]hash.Hash{}
	sum := func(name string, v any) {
		if sums[name] == nil {
			sums[name] = sha256.New()
		}
		sums[name].Write(littleEndian(t, v))
	}
	for _, name := range c.Names() {
		w := c.Tensor(name)
		sum("float32", float32s(t, w))
		if w.Type.AffineBits() > 0 {
			a := affineOf(t, w, 0, w.NumRows())
			sum("weight", a.weight)
			sum("scales", a.scales)
			sum("biases", a.biases)
		}
	}
	got := func(name string) string { return hex.EncodeToString(sums[name].Sum(nil)) }
	assert.Equal(t, want.Float32SHA256, got("float32"))
	assert.Equal(t, want.WeightSHA256, got("weight"))
	assert.Equal(t, want.ScalesSHA256, got("scales"))
	assert.Equal(t, want.BiasesSHA256, got("biases"))

	// Metadata as the gguf package lists it.
	assert.Len(t, c.Names(), 272)
	assert.Equal(t, []int{49152, 576}, c.Tensor("token_embd.weight").Shape)
	assert.Equal(t, "llama", c.Metadata["general.architecture"])
	assert.Equal(t, uint32(30), c.Metadata["llama.block_count"])
	assert.Equal(t, float32(1e-5), c.Metadata["llama.attention.layer_norm_rms_epsilon"])
	assert.Len(t, c.Metadata["tokenizer.ggml.tokens"], 49152)
	assert.Len(t, c.Metadata["tokenizer.ggml.merges"], 48900)
}

// Every folder of ../shared/models, by the checks of Open and by encoding/json's own
// reading of the same header.
func TestSharedModelsOpen(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob(filepath.Join("..", "..", "shared", "models", "*", "config.json"))
	require.NoError(t, err)
	if len(folders) == 0 {
		t.Skip("no ../shared/models beside the repository")
	}
	for _, config := range folders {
		dir := filepath.Dir(config)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			c := opened(t, dir)
			file, err := os.ReadFile(c.Files()[0])
			require.NoError(t, err)
			var header map[string]struct {
				Dtype   string
				Shape   []int
				Offsets []int `json:"data_offsets"`
			}
			end := 8 + int(file[0]) + int(file[1])<<8 + int(file[2])<<16
			require.NoError(t, json.Unmarshal(file[8:end], &header))
			delete(header, "__metadata__")
			assert.Len(t, c.Names(), len(header))
			for name, h := range header {
				w := c.Tensor(name)
				require.NotNil(t, w, name)
				assert.Equal(t, h.Dtype, w.Type.String())
				assert.Equal(t, h.Shape, w.Shape)
				assert.Equal(t, file[end+h.Offsets[0]:end+h.Offsets[1]], w.Bytes())
			}
		})
	}
}

func BenchmarkOpenSmolLM2(b *testing.B) {
	path := smollm2(b)
	for b.Loop() {
		c, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}

// All 134,515,008 weights by two goroutines: "cold" into memory that the process does
// not have yet and gets page by page, as at start-up, "warm" into the same memory again.
func BenchmarkFloat32SmolLM2(b *testing.B) {
	c, err := Open(smollm2(b))
	require.NoError(b, err)
	defer c.Close()
	total := 0
	for _, name := range c.Names() {
		total += c.Tensor(name).NumElements()
	}
	load := func(dst []float32) time.Duration {
		start := time.Now()
		var wg sync.WaitGroup
		for half := range 2 {
			wg.Go(func() {
				at := 0
				for _, name := range c.Names() {
					w := c.Tensor(name)
					from, to := half*w.NumRows()/2, (half+1)*w.NumRows()/2
					assert.NoError(b, w.Float32(dst[at+from*w.RowLen():at+to*w.RowLen()], from, to))
					at += w.NumElements()
				}
			})
		}
		wg.Wait()
		return time.Since(start)
	}
	var cold, warm time.Duration
	for b.Loop() {
		b.StopTimer()
		debug.FreeOSMemory()
		b.StartTimer()
		dst := make([]float32, total)
		cold += load(dst)
		warm += load(dst)
	}
	b.ReportMetric(float64(cold.Milliseconds())/float64(b.N), "cold-ms")
	b.ReportMetric(float64(warm.Milliseconds())/float64(b.N), "warm-ms")
}
