package mlx

import "github.com/mlxlens/mlxlens/mlx/internal/capi"

// Sorting is ascending, along one axis, or Flat for all elements as one row.

type sortAll = func(*capi.Array, capi.Array, capi.Stream) int32
type sortAxis = func(*capi.Array, capi.Array, int32, capi.Stream) int32

func sorted(op string, all sortAll, one sortAxis, x *Array, axis int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	most := int64(same)
	if op == "topk" {
		most = unknown // 0 elements may be asked for
	}
	return buildIn(op, nil, most, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		if axis == Flat {
			return all(res, x.h, s)
		}
		return one(res, x.h, c32(axis), s)
	})
}

// Sort returns x in ascending order along axis, NaN last. Binds mlx_sort, mlx_sort_axis.
func Sort(x *Array, axis int) *Array {
	return inOrder(sorted("sort", capi.Sort, capi.SortAxis, x, axis), axis)
}

// Argsort returns the indices that sort x along axis in ascending order, uint32.
// Binds mlx_argsort, mlx_argsort_axis.
func Argsort(x *Array, axis int) *Array {
	return inOrder(sorted("argsort", capi.Argsort, capi.ArgsortAxis, x, axis), axis)
}

// inOrder has the lengths of what was sorted along an axis; as one row MLX's trace keeps its number of elements.
func inOrder(r *Array, axis int) *Array {
	if axis == Flat {
		return r
	}
	return r.follows("same")
}

type rankAll = func(*capi.Array, capi.Array, int32, capi.Stream) int32
type rankAxis = func(*capi.Array, capi.Array, int32, int32, capi.Stream) int32

func ranked(op string, all rankAll, one rankAxis, x *Array, rank, axis int) *Array {
	return sorted(op, func(res *capi.Array, a capi.Array, s capi.Stream) int32 {
		return all(res, a, c32(rank), s)
	}, func(res *capi.Array, a capi.Array, axis int32, s capi.Stream) int32 {
		return one(res, a, c32(rank), axis, s)
	}, x, axis)
}

// Partition returns x with the element of rank kth (from 0, ascending) along axis in its
// place, the smaller ones before it and the larger behind it, in no order. A negative kth
// counts from the end. Binds mlx_partition, mlx_partition_axis.
func Partition(x *Array, kth, axis int) *Array {
	return ranked("partition", capi.Partition, capi.PartitionAxis, x, kth, axis)
}

// Argpartition returns the indices that Partition takes, uint32.
// Binds mlx_argpartition, mlx_argpartition_axis.
func Argpartition(x *Array, kth, axis int) *Array {
	return ranked("argpartition", capi.Argpartition, capi.ArgpartitionAxis, x, kth, axis)
}

// TopK returns the k greatest elements along axis, in no order.
// Binds mlx_topk, mlx_topk_axis.
func TopK(x *Array, k, axis int) *Array {
	return ranked("topk", capi.Topk, capi.TopkAxis, x, k, axis)
}

// Side says which of equal elements a place is before.
type Side string

// The sides of equal elements.
const (
	Left  Side = "left"  // before the first
	Right Side = "right" // behind the last
)

// Searchsorted returns, for each value, the place where it would stand in an ascending
// one-axis sequence; uint32, of the shape of values. Binds mlx_searchsorted.
func Searchsorted(sequence, values *Array, side Side) *Array {
	const op = "searchsorted"
	if bad := required(op, sequence, values); bad != nil {
		return bad
	}
	if side != Left && side != Right {
		return failed(op, ErrIndex, "there is no side %q (have: left, right)", string(side))
	}
	return build(op, []*Array{sequence, values}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Searchsorted(res, sequence.h, values.h, capi.Bytes(string(side)), s)
	})
}
