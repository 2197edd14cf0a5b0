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

// Errors are read by who wrote the file, and has never seen this program's structs.
func TestErrorsSpeakOfTheFile(t *testing.T) {
	for text, want := range map[string]string{
		`{"hidden_size": 1e9}`:            "hidden_size is the number 1e9, want a whole number of at most 64 bits, without a point or an exponent",
		`{"hidden_size": "64"}`:           "hidden_size is a text, want a whole number of at most 64 bits, without a point or an exponent",
		`{"rope": {"rope_theta": 1e999}}`: "rope.rope_theta is the number 1e999, want one that a 64-bit number holds (up to 1.8e+308)",
		`{"rope": [1]}`:                   "rope is a list, want an object",
		`[1]`:                             "it is a list, want an object",
		`{"hidden_size": 1`:               "it is not JSON: it ends too soon",
		``:                                "it is not JSON: it ends too soon",
		`{"hidden_size" 1}`:               "it is not JSON: invalid character '1' after object key, at byte 16",
	} {
		var c config
		require.EqualError(t, exactjson.Unmarshal([]byte(text), &c), want, text)
	}
	for text, want := range map[string]string{ // of fields that read themselves
		`{"limits": [0, "x"]}`:           "limits is a text, want a number",
		`{"below": {"most": [1]}}`:       "below.most is a list, want a number",
		`{"below": {"most": 1}, "a": 1}`: "",
	} {
		var c struct {
			Limits []exactjson.Float `json:"limits"`
			Below  struct {
				Most exactjson.Float `json:"most"`
			} `json:"below"`
		}
		err := exactjson.Unmarshal([]byte(text), &c)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, want, text)
	}
}
