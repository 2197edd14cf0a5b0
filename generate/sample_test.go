package generate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func recorded(t *testing.T) (file struct {
	Filters []struct {
		Logits []float32 `json:"logits"`
		TopP   float64   `json:"top_p"`
		MinP   float64   `json:"min_p"`
		TopK   int       `json:"top_k"`
		Kept   []int     `json:"kept"`
	} `json:"filters"`
	Repetition struct {
		Logits    []float32 `json:"logits"`
		Seen      []int     `json:"seen"`
		Penalty   float64   `json:"penalty"`
		Context   int       `json:"context"`
		Penalized []float32 `json:"penalized"`
	} `json:"repetition"`
}) {
	t.Helper()
	raw, err := os.ReadFile("../testdata/golden/sampling.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &file))
	require.NotEmpty(t, file.Filters)
	return file
}

// drawn returns how often each id comes in n draws.
func drawn(t *testing.T, logits []float32, s Sampling, n int) map[int]int {
	t.Helper()
	require.NoError(t, s.Err())
	var w sampler
	r := rand.New(rand.NewPCG(s.Seed, 0))
	count := map[int]int{}
	for range n {
		token, err := w.sample(logits, nil, s, r)
		require.NoError(t, err)
		count[token.ID]++
	}
	return count
}

func TestFiltersKeepWhatMLXLMsKeep(t *testing.T) {
	t.Parallel()
	for _, c := range recorded(t).Filters {
		// hot enough for every kept id to come
		count := drawn(t, c.Logits, Sampling{Temperature: 30, TopP: c.TopP, MinP: c.MinP, TopK: c.TopK}, 200*len(c.Kept))
		got := make([]int, 0, len(count))
		for id := range c.Logits {
			if count[id] > 0 {
				got = append(got, id)
			}
		}
		assert.Equal(t, c.Kept, got, "top-p %v, min-p %v, top-k %v", c.TopP, c.MinP, c.TopK)
	}
}

func TestRepetitionPenaltyIsMLXLMs(t *testing.T) {
	t.Parallel()
	c := recorded(t).Repetition
	s := Sampling{RepetitionPenalty: c.Penalty, RepetitionContext: c.Context}
	var w sampler
	token, err := w.sample(c.Logits, c.Seen, s, nil)
	require.NoError(t, err)
	assert.InDeltaSlice(t, c.Penalized, w.logits, 1e-5)
	total := 0.0
	for _, x := range c.Penalized {
		total += math.Exp(float64(x))
	}
	assert.InDelta(t, float64(c.Penalized[token.ID])-math.Log(total), token.LogProb, 1e-5, "of the penalized distribution")
}

func TestDrawsFollowTheDistribution(t *testing.T) {
	t.Parallel()
	logits := []float32{0, float32(math.Log(2)), float32(math.Log(3)), float32(math.Log(4)), -100}
	const n = 40_000
	for _, c := range []struct {
		temperature float64
		want        []float64
	}{{1, []float64{.1, .2, .3, .4, 0}}, {0.5, []float64{1. / 30, 4. / 30, 9. / 30, 16. / 30, 0}}} {
		count := drawn(t, logits, Sampling{Temperature: c.temperature, Seed: 5}, n)
		for id, p := range c.want {
			// five standard deviations of a share
			assert.InDelta(t, p, float64(count[id])/n, 5*math.Sqrt(p*(1-p)/n)+1e-9, "temperature %v, id %d", c.temperature, id)
		}
	}
}

func TestSeedDecidesTheDraws(t *testing.T) {
	t.Parallel()
	logits := make([]float32, 1000)
	sequence := func(seed uint64) (ids []int) {
		var w sampler
		r := rand.New(rand.NewPCG(seed, 0))
		for range 20 {
			token, err := w.sample(logits, nil, Sampling{Temperature: 1}, r)
			require.NoError(t, err)
			ids = append(ids, token.ID)
		}
		return ids
	}
	assert.Equal(t, sequence(3), sequence(3))
	assert.NotEqual(t, sequence(3), sequence(4))
}

func TestGreedyTakesTheLowestOfEqualIDs(t *testing.T) {
	t.Parallel()
	var w sampler
	token, err := w.sample([]float32{1, 3, 2, 3}, nil, Sampling{}, nil)
	require.NoError(t, err)
	assert.Equal(t, 1, token.ID)
	assert.InDelta(t, 3-math.Log(math.E+2*math.Exp(3)+math.Exp(2)), token.LogProb, 1e-9)
}

func TestLogitsWithoutADistributionAreAnError(t *testing.T) {
	t.Parallel()
	var w sampler
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, logits := range [][]float32{{nan, nan}, {0, inf}, {-inf, -inf}} {
		_, err := w.sample(logits, nil, Sampling{Temperature: 1}, rand.New(rand.NewPCG(0, 0)))
		require.ErrorContains(t, err, "the largest logit is")
	}
	count := drawn(t, []float32{1, nan, 2, -inf}, Sampling{Temperature: 5}, 200)
	assert.Len(t, count, 2, "NaN after a number, and -Inf, are never drawn")
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Sampling{
		"temperature -1":        {Temperature: -1},
		"temperature NaN":       {Temperature: math.NaN()},
		"top-p 1.5":             {TopP: 1.5},
		"min-p -0.1":            {MinP: -0.1},
		"top-k -1":              {TopK: -1},
		"repetition penalty -2": {RepetitionPenalty: -2},
		"repetition context -3": {RepetitionContext: -3},
	} {
		require.ErrorContains(t, s.Err(), want)
	}
}

func TestStopsHoldBackWhatMayBeAStop(t *testing.T) {
	t.Parallel()
	feed := func(s *Stops, parts ...string) (out []string, stopped bool) {
		for _, p := range parts {
			var text string
			text, stopped = s.Add(p)
			out = append(out, text)
		}
		return append(out, s.Flush()), stopped
	}
	for _, c := range []struct {
		stops, parts, want []string
		stopped            bool
	}{
		{[]string{"END"}, []string{"a", "E", "N", "x"}, []string{"a", "", "", "ENx", ""}, false},
		{[]string{"END"}, []string{"a E", "ND b", "c"}, []string{"a ", "", "", ""}, true},
		{[]string{"END"}, []string{"a EN"}, []string{"a ", "EN"}, false},
		{[]string{"aab"}, []string{"aaa", "b"}, []string{"a", "", ""}, true},
		{[]string{"xyz", "b"}, []string{"abxyz"}, []string{"a", ""}, true},
		{[]string{"", "é"}, []string{"caf", "é", "s"}, []string{"caf", "", "", ""}, true},
		{nil, []string{"a", ""}, []string{"a", "", ""}, false},
	} {
		out, stopped := feed(NewStops(c.stops...), c.parts...)
		assert.Equal(t, c.want, out, "%q of %q", c.stops, c.parts)
		assert.Equal(t, c.stopped, stopped)
	}
}

// BenchmarkSample draws from a vocabulary as Gemma's.
func BenchmarkSample(b *testing.B) {
	logits := make([]float32, 262_144)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range logits {
		logits[i] = float32(r.NormFloat64() * 3)
	}
	var w sampler
	for name, s := range map[string]Sampling{
		"greedy": {}, "top-p": {Temperature: 0.8, TopP: 0.95}, "top-k": {Temperature: 0.8, TopK: 40}, "all": {Temperature: 1},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				if _, err := w.sample(logits, nil, s, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
