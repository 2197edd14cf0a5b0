package exactjson_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/exactjson"
)

type inner struct {
	Theta float64 `json:"rope_theta"`
}

type config struct {
	inner
	Size  int             `json:"hidden_size"`
	Plain int             // its name is its key
	Rope  *inner          `json:"rope"`
	Raw   json.RawMessage `json:"raw"`
	Left  int             `json:"-"`
}

func TestAKeyInAnotherCaseIsAnotherKey(t *testing.T) {
	var c config
	require.NoError(t, exactjson.Unmarshal([]byte(`{"Hidden_Size": 32, "hidden_size": 16, "HIDDEN_SIZE": 8, "plain": 3, "Rope_Theta": 5,
		"rope": {"rope_theta": 7, "ROPE_THETA": 9}, "raw": {"A":1,"a":2}, "Left": 4, "unknown": [1]}`), &c))
	require.Equal(t, config{Size: 16, Rope: &inner{7}, Raw: json.RawMessage(`{"A":1,"a":2}`)}, c)
	require.NoError(t, exactjson.Unmarshal([]byte(`{"ſize": 1}`), &struct {
		S int `json:"size"`
	}{}), "U+017F folds to s")
}

func TestWhatIsWrongIsStillWrong(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"hidden_size": "x"}`, `{"rope": [1]}`, `{"rope": {"rope_theta": "x"}}`} {
		var c config
		require.Error(t, exactjson.Unmarshal([]byte(text), &c), text)
	}
	var n int
	require.NoError(t, exactjson.Unmarshal([]byte("3"), &n))
	require.Equal(t, 3, n)
}

func ExampleUnmarshal() {
	var c struct {
		Size int `json:"hidden_size"`
	}
	fmt.Println(exactjson.Unmarshal([]byte(`{"hidden_size": 16, "Hidden_Size": 32}`), &c), c.Size)
	// Output: <nil> 16
}
