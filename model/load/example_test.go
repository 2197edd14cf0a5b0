package load_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

// An architecture reads the keys that it implements into its config, and every other key that
// would change the mathematics is refused.
func ExampleReadConfig() {
	var c struct {
		load.Standard
		Scale float64 `json:"logit_scale"`
	}
	config := []byte(`{"hidden_size": 64, "logit_scale": 0.5, "attn_logit_softcapping": 50, "torch_dtype": "float16"}`)
	fmt.Println(load.ReadConfig("new", config, &c, nil, "logit_scale"))
	fmt.Println(load.ReadConfig("new", config, &c, nil, "logit_scale", "attn_logit_softcapping"), c.HiddenSize, c.Scale)
	// Output:
	// new: config.json: attn_logit_softcapping 50 is not implemented for this model_type
	// <nil> 64 0.5
}

// Every third layer sees all, the others 512 keys.
func ExampleWindows() {
	windows, err := load.Windows("new", 6, nil, 512, func(layer int) bool { return layer%3 != 2 })
	fmt.Println(windows, err)
	_, err = load.Windows("new", 2, []string{"full_attention", "linear_attention"}, 512, nil)
	fmt.Println(err)
	// Output:
	// [512 512 0 512 512 0] <nil>
	// new: config.json: layer_types "linear_attention" is not implemented (have: full_attention, sliding_attention)
}
