"""Times mlx.core at what mlx's benchmarks do, and prints a name and nanoseconds a line.

    python tools/bench/beside.py

See tools/bench/beside.sh, which sets both beside each other.
"""

import time

import mlx.core as mx

mx.set_default_device(mx.cpu)


def measure(name, f, n):
    best = float("inf")
    for _ in range(5):
        t = time.perf_counter()
        for _ in range(n):
            f()
        best = min(best, (time.perf_counter() - t) / n)
    print(name, round(best * 1e9), flush=True)


one = mx.array(1.0)


def chain():
    h = one
    for _ in range(1000):
        h = mx.add(h, one)


x0 = mx.ones((4, 64))
w = mx.ones((64, 64))


def mix():
    h = x0
    for _ in range(100):  # ten operations each
        n = mx.fast.rms_norm(h, None, 1e-5)
        q = mx.matmul(n, w)
        k = mx.transpose(mx.reshape(q, (4, 8, 8)), (1, 0, 2))
        s = mx.softmax(k, axis=-1)
        r = mx.reshape(mx.transpose(s, (1, 0, 2)), (4, 64))
        h = mx.add(h, mx.multiply(r, one))
        h = h[0:4]


def small():
    mx.eval(mx.add(one, one))


wide = [mx.array(float(i)) for i in range(20)]


def twenty():
    h = wide[0]
    for a in wide:
        h = mx.add(mx.multiply(h, a), one)
    mx.eval(h)


key = mx.random.key(0)
pic, label = mx.random.normal((32, 64), key=key), mx.array([i % 10 for i in range(32)])
params = [mx.random.normal((128, 64), key=key), mx.zeros((128,)), mx.random.normal((10, 128), key=key), mx.zeros((10,))]


def loss(p, pic, label):
    h = mx.maximum(mx.matmul(pic, p[0].T) + p[1], 0)
    return mx.mean(mx.fast.cross_entropy(mx.matmul(h, p[2].T) + p[3], label))


grad = mx.value_and_grad(loss)


def train():
    global params
    value, g = grad(params, pic, label)
    params = [p - 0.01 * d for p, d in zip(params, g)]
    mx.eval(params)


q = mx.random.normal((1, 8, 64, 64), key=key)


def attention():
    mx.eval(mx.fast.scaled_dot_product_attention(q, q, q, scale=0.125, mask="causal"))


mx.eval(x0, w, wide, params, pic, label, q)
measure("BuildChain", chain, 50)
measure("BuildMix", mix, 20)
measure("EvalSmall", small, 5000)
measure("EvalTwenty", twenty, 2000)
measure("TrainStep", train, 300)
measure("Attention", attention, 300)
