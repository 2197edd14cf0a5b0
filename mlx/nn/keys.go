package nn

import "github.com/mlxlens/mlxlens/mlx"

// Keys gives keys of random numbers one after another. From the same seed they are those that
// Python's mlx draws after mx.random.seed: layers made in the same order have the same
// weights. One goroutine uses them at a time.
type Keys struct{ key *mlx.Array }

// NewKeys returns the keys of a seed, on s's stream.
func NewKeys(s *mlx.Scope, seed uint64) *Keys {
	return &Keys{mlx.RandomKey(s.Stream().Scope(), seed)}
}

// Seed begins anew, for all that hold k.
func (k *Keys) Seed(seed uint64) { k.key = mlx.RandomKey(k.place(), seed) }

// Next returns the next key. Nothing owns it but the collector.
func (k *Keys) Next() *mlx.Array {
	if k == nil || k.key == nil {
		return mlx.Failed("keys", errNoKeys)
	}
	pair := mlx.RandomSplit(k.key, 2)
	if len(pair) < 2 {
		return pair[0]
	}
	k.key = pair[0]
	return pair[1]
}

// place is where keys make arrays that need none.
func (k *Keys) place() *mlx.Scope {
	if k == nil || k.key == nil {
		return mlx.On(mlx.DefaultDevice())
	}
	return k.key.Stream().Scope()
}
