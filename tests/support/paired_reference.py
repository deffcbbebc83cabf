"""The statistics of host/base/paired.c once more, slowly and by their definitions alone: what the C results are held against. Only
the generator's stream is shared (xoshiro256** seeded by splitmix64)."""
import math

MASK = (1 << 64) - 1
MINIMUM = 20


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def rotate(x, k):
    return ((x << k) | (x >> (64 - k))) & MASK


class Random:
    def __init__(self, seed):
        self.s = [mix((seed + i * 0x9E3779B97F4A7C15) & MASK) for i in range(4)]

    def next(self):
        s = self.s
        result = (rotate((s[1] * 5) & MASK, 7) * 9) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)
        return result

    def below(self, n):
        return (self.next() * n) >> 64


def average(d):
    return d[0] + sum(x - d[0] for x in d) / len(d)  # of equal values exactly that value


def block(d):
    """Politis and White 2004, Patton, Politis and White 2009: the circular bootstrap's block."""
    n = len(d)
    if n < MINIMUM:
        return 1
    mean = average(d)
    r = [sum((d[i] - mean) * (d[i - k] - mean) for i in range(k, n)) / n for k in range(n)]
    if r[0] <= 0:
        return 1
    quiet = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = math.ceil(math.sqrt(n)) + quiet
    looked = min(most, n - 1)
    bound = 2 * math.sqrt(math.log10(n) / n)
    loud = [k for k in range(1, looked + 1) if abs(r[k] / r[0]) >= bound]
    last = max(loud, default=0)
    for k in range(looked - quiet + 1):  # quiet correlations behind lag k
        if all(j not in loud for j in range(k + 1, k + quiet + 1)):
            last = k
            break
    width = min(2 * last, most)
    if width == 0:
        return 1
    window = [1 if k / width <= 0.5 else 2 * (1 - k / width) if k <= width else 0 for k in range(n)]
    spectrum = r[0] + 2 * sum(window[k] * r[k] for k in range(1, min(width, n - 1) + 1))
    slope = 2 * sum(window[k] * k * r[k] for k in range(1, min(width, n - 1) + 1))
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    if spectrum <= 0:
        return longest
    length = (2 * slope * slope / (4 / 3 * spectrum * spectrum)) ** (1 / 3) * n ** (1 / 3)
    return int(max(1, min(math.ceil(length), longest)))


def bootstrap(d, alpha, resamples, seed, length=0):
    n = len(d)
    mean = average(d)
    length = min(length or block(d), n // 2)
    count = math.ceil(n / length)
    means = [average([d[(i + k) % n] for k in range(length)]) for i in range(n)]
    error = math.sqrt(sum((m - mean) ** 2 for m in means) / n / (count - 1))
    random, ts = Random(seed), []
    for _ in range(resamples):
        drawn = [means[random.below(n)] for _ in range(count)]
        shift = sum(x - mean for x in drawn) / count
        variance = (sum((x - mean) ** 2 for x in drawn) / count - shift * shift) / (count - 1)
        ts.append(abs(shift) / math.sqrt(variance) if variance > 0 else 0.0 if shift == 0 else math.inf)
    found = abs(mean) / error if error > 0 else 0.0 if mean == 0 else math.inf
    beyond = sum(t >= found for t in ts)
    width = sorted(ts)[min(math.ceil((1 - alpha) * (resamples + 1)), resamples) - 1] * error if error > 0 else 0.0
    return {"count": n, "block": length, "mean": mean, "error": error, "low": mean - width, "high": mean + width,
            "p": (1 + beyond) / (1 + resamples)}


def mixture(total, spread, rho=8.0, steps=4000):
    """The mean of exp(k S - k^2 V / 2) over k > 0, half-normal with precision rho: by Simpson's rule."""
    scale = 1 / math.sqrt(rho)
    top = max(12 * scale, abs(total) / (spread + rho) + 12 / math.sqrt(spread + rho))
    h = top / steps

    def f(k):
        return 2 * math.sqrt(rho / (2 * math.pi)) * math.exp(k * total - k * k * spread / 2 - k * k * rho / 2)

    return h / 3 * (f(0) + f(top) + sum((4 if i % 2 else 2) * f(i * h) for i in range(1, steps)))


def sequential(d, alpha):
    n = len(d)
    out = {"better": 1.0, "worse": 1.0, "better_max": 1.0, "worse_max": 1.0, "better_at": 0, "worse_at": 0, "blocks": 0, "block": 0, "warm": n}
    different = [i for i, x in enumerate(d) if x != 0]
    if len(different) < MINIMUM or different[MINIMUM - 1] + 1 == n:
        return out
    at = out["warm"] = different[MINIMUM - 1] + 1
    grow = 2 * at
    length = max(4, block(d[:at]))
    raw, raw_count, xs = sum(x * x for x in d[:at]) / at * length, 1, []
    while at + length <= n:
        if at >= grow:
            longer = max(4, block(d[:at]))
            raw *= longer / length
            length, grow = longer, 2 * at
            if at + length > n:
                break
        whole = sum(d[at:at + length])
        xs.append(whole / math.sqrt(raw / raw_count))
        raw += whole * whole
        raw_count += 1
        at += length
        spread = sum(x * x for x in xs) + 2 * max(0.0, sum(a * b for a, b in zip(xs, xs[1:])))
        for name, sign in (("better", 1), ("worse", -1)):
            out[name] = mixture(sign * sum(xs), spread)
            out[name + "_max"] = max(out[name + "_max"], out[name])
            if not out[name + "_at"] and out[name] >= 1 / alpha:
                out[name + "_at"] = at
    out["blocks"], out["block"] = len(xs), length
    return out
