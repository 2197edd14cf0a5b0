package mlx

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// Backend is a way for processes to reach each other.
type Backend string

// The backends of MLX; a build has some of them.
const (
	AnyBackend Backend = "any"  // the first that works
	Ring       Backend = "ring" // TCP; MLX_HOSTFILE and MLX_RANK say who is where
	MPI        Backend = "mpi"  // a process started by mpirun
	NCCL       Backend = "nccl" // Nvidia's GPUs
	JACCL      Backend = "jaccl"
)

func (b Backend) check(op string) *Error {
	switch b {
	case AnyBackend, Ring, MPI, NCCL, JACCL:
		return nil
	}
	return newError(op, ErrIndex, fmt.Sprintf("there is no backend %q (have: any, ring, mpi, nccl, jaccl)", string(b)))
}

// Available reports whether the library has the backend.
// Binds mlx_distributed_is_available.
func (b Backend) Available() bool {
	if b.check("") != nil || Load() != nil {
		return false
	}
	var yes bool
	_ = gate.Run(func() { yes = capi.DistributedIsAvailable(capi.Bytes(string(b))) })
	return yes
}

// Group is a set of processes that compute together. Every one of them must call the same
// collective operations in the same order.
type Group struct {
	h          capi.DistributedGroup
	rank, size int
}

// InitDistributed joins the processes that the backend's environment names. Without strict, a
// process that is alone gets a group of one. Binds mlx_distributed_init.
//
// A ring's host file and rank are checked before; it then waits for its neighbours, for ever if
// they do not come, the odd ranks by connecting again and again. The end of ctx ends that wait, at most some 30 s later, for so long MLX tries
// to connect. The process has no ring after that, for MLX keeps what it has of one: it must be
// started anew. Other backends look at ctx before they begin.
//
// From then on the process takes SIGPIPE, as signal.Notify does: a ring writes to a neighbour that has
// ended from a thread of its own, and the signal would end this process too, without a word.
func InitDistributed(ctx context.Context, backend Backend, strict bool) (*Group, error) {
	const op = "distributed_init"
	if e := backend.check(op); e != nil {
		return nil, e
	}
	if err := Load(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	join := func() (*Group, error) {
		return newGroup(op, func(res *capi.DistributedGroup) int32 {
			return capi.DistributedInit(res, strict, capi.Bytes(string(backend)))
		})
	}
	if backend != Ring && backend != AnyBackend {
		return join()
	}
	own, e := ownAddresses(op)
	if e != nil {
		return nil, e
	}
	return joinRing(ctx, op, own, join)
}

// together says that this process computes with others, which may keep it waiting.
var together atomic.Bool

// fromOthers notes that a result comes when another process does its part.
func fromOthers(r *Array) *Array {
	r.from.remote = true
	return r
}

// newGroup takes a group that f makes. Binds mlx_distributed_group_rank, _size, _free.
func newGroup(op string, f func(*capi.DistributedGroup) int32) (*Group, error) {
	g := &Group{}
	err := inGate(op, func() error {
		if f(&g.h) != 0 || g.h == 0 {
			return mlxError(op, nil)
		}
		g.rank, g.size = int(capi.DistributedGroupRank(g.h)), int(capi.DistributedGroupSize(g.h))
		if g.size > 1 {
			together.Store(true)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	runtime.AddCleanup(g, func(h capi.DistributedGroup) {
		gate.Later(func() { capi.DistributedGroupFree(h) })
	}, g.h)
	return g, nil
}

// FinalizeMPI ends this process's part in an MPI job, as a process must before it exits: mpirun takes one that has
// not for a failure, and ends the others. It waits for them, and nothing of the group can be used then. Without MPI it
// does nothing.
func FinalizeMPI() { _ = gate.Run(capi.FinalizeMPI) }

// Rank returns this process's number in the group, from 0.
func (g *Group) Rank() int {
	if g == nil {
		return 0
	}
	return g.rank
}

// Size returns how many processes the group has.
func (g *Group) Size() int {
	if g == nil {
		return 0
	}
	return g.size
}

// exists refuses what InitDistributed did not make.
func (g *Group) exists(op string) *Array {
	if g == nil || g.h == 0 {
		return failed(op, ErrDevice, "there is no group: InitDistributed makes one")
	}
	return nil
}

// Split divides the group: the processes that give one color make a group, in the order of
// key. Binds mlx_distributed_group_split.
func (g *Group) Split(color, key int) (*Group, error) {
	if bad := g.exists("distributed_split"); bad != nil {
		return nil, bad.err
	}
	defer runtime.KeepAlive(g)
	return newGroup("distributed_split", func(res *capi.DistributedGroup) int32 {
		return capi.DistributedGroupSplit(res, g.h, c32(color), c32(key))
	})
}

type collective = func(res *capi.Array, x capi.Array, group capi.DistributedGroup, s capi.Stream) int32

func (g *Group) collect(op string, f collective, x *Array) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	if bad := g.exists(op); bad != nil {
		return bad
	}
	defer runtime.KeepAlive(g)
	return fromOthers(build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 { return f(res, x.h, g.h, s) }))
}

// AllSum returns the sum of x over the processes. Binds mlx_distributed_all_sum.
func (g *Group) AllSum(x *Array) *Array { return g.collect("all_sum", capi.DistributedAllSum, x) }

// AllMax returns the greatest elements of x over the processes.
// Binds mlx_distributed_all_max.
func (g *Group) AllMax(x *Array) *Array { return g.collect("all_max", capi.DistributedAllMax, x) }

// AllMin returns the least elements of x over the processes.
// Binds mlx_distributed_all_min.
func (g *Group) AllMin(x *Array) *Array { return g.collect("all_min", capi.DistributedAllMin, x) }

// AllGather returns the processes' x joined along the first axis, in the order of ranks.
// Binds mlx_distributed_all_gather.
func (g *Group) AllGather(x *Array) *Array {
	return g.collect("all_gather", capi.DistributedAllGather, x)
}

// SumScatter returns this process's part, along the first axis, of the sum of x over the
// processes. Binds mlx_distributed_sum_scatter.
func (g *Group) SumScatter(x *Array) *Array {
	return g.collect("sum_scatter", capi.DistributedSumScatter, x)
}

// peer refuses a rank that nobody has, for which backends wait for ever.
func (g *Group) peer(op string, rank int) *Array {
	if bad := g.exists(op); bad != nil {
		return bad
	}
	if rank < 0 || rank >= g.size || rank == g.rank {
		return failed(op, ErrIndex, "process %d has no peer %d in a group of %d", g.rank, rank, g.size)
	}
	return nil
}

// Send sends x to another process when the result, x, is evaluated.
// Binds mlx_distributed_send.
func (g *Group) Send(x *Array, to int) *Array {
	const op = "send"
	if bad := g.peer(op, to); bad != nil {
		return bad
	}
	return g.collect(op, func(res *capi.Array, x capi.Array, group capi.DistributedGroup, s capi.Stream) int32 {
		return capi.DistributedSend(res, x, c32(to), group, s)
	}, x)
}

// Recv receives an array of a known shape and type from another process.
// Binds mlx_distributed_recv.
func (g *Group) Recv(s *Scope, from int, d Dtype, shape ...int) *Array {
	const op = "recv"
	if bad := g.peer(op, from); bad != nil {
		return bad
	}
	defer runtime.KeepAlive(g)
	return fromOthers(create(op, s, shape, d, nil, func(res *capi.Array, st capi.Stream) int32 {
		return capi.DistributedRecv(res, int32s(shape), capi.Dtype(d), c32(from), g.h, st)
	}))
}

// RecvLike receives an array of x's shape and type. Binds mlx_distributed_recv_like.
func (g *Group) RecvLike(x *Array, from int) *Array {
	const op = "recv"
	if bad := g.peer(op, from); bad != nil {
		return bad
	}
	return g.collect(op, func(res *capi.Array, x capi.Array, group capi.DistributedGroup, s capi.Stream) int32 {
		return capi.DistributedRecvLike(res, x, c32(from), group, s)
	}, x)
}
