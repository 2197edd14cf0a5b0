package exactjson_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/exactjson"
)

// As Python's json.dump writes them into config.json files, and as transformers 5 does.
func TestInfinitiesOfPythonAreRead(t *testing.T) {
	var v struct {
		Limits []exactjson.Float `json:"limits"`
		Text   string            `json:"text"`
	}
	for _, text := range []string{
		`{"limits": [0.5, Infinity, -Infinity], "text": "\"Infinity\", NaN", "other": NaN}`,
		`{"limits": [0.5, {"__float__": "Infinity"}, {"__float__": "-Infinity"}], "text": "\"Infinity\", NaN"}`,
	} {
		require.NoError(t, exactjson.Unmarshal([]byte(text), &v), text)
		require.Equal(t, []exactjson.Float{0.5, exactjson.Float(math.Inf(1)), exactjson.Float(math.Inf(-1))}, v.Limits)
		require.Equal(t, `"Infinity", NaN`, v.Text)
	}
}

func TestAnInfinityIsNoNumberWhereOneIsWanted(t *testing.T) {
	var v struct {
		Eps float64 `json:"eps"`
	}
	require.EqualError(t, exactjson.Unmarshal([]byte(`{"eps": Infinity}`), &v), "eps is an object, want a number")
	var f struct {
		Eps exactjson.Float `json:"eps"`
	}
	for _, bad := range []string{`{"eps": {"__float__": "infinite"}}`, `{"eps": {}}`, `{"eps": "Infinity"}`, `{"eps": InfinityX}`, `{"eps": [1]}`} {
		require.Error(t, exactjson.Unmarshal([]byte(bad), &f), bad)
	}
}

func TestWhatHasNoInfinityIsLeftAsItIs(t *testing.T) {
	for _, text := range []string{`{"a": "Infinity \\"}`, `{"a": "\\\"NaN"}`, `{`, ``, `"Infinity`, "\\"} {
		require.Equal(t, text, string(exactjson.Standard([]byte(text))))
	}
}
