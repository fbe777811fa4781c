from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from l2l.errors import SimulationError
from l2l.simulator import noise

SEEDS = np.arange(7, 71, dtype=np.uint64)


def test_philox_is_that_of_the_paper() -> None:
    """Known answers of the Random123 distribution (kat_vectors, philox4x32 10)."""
    known = [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF, 0xFFFFFFFF),
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ]
    for counter, key, expected in known:
        assert tuple(int(w) for w in noise.philox(*counter, key=key)) == expected


def test_moments_and_distribution() -> None:
    z = np.concatenate([noise.normals(SEEDS, 0, 1024, step).ravel() for step in range(16)]).astype(np.float64)
    n = z.size  # a million: bounds are five standard errors
    assert abs(z.mean()) < 5 / n**0.5
    assert abs(z.var() - 1) < 5 * (2 / n) ** 0.5
    assert abs((z**3).mean()) < 5 * (15 / n) ** 0.5
    assert abs((z**4).mean() - 3) < 5 * (96 / n) ** 0.5
    assert stats.kstest(z, "norm").pvalue > 1e-4


def test_no_correlation_between_neighbours() -> None:
    a = noise.normals(SEEDS, 0, 4096, 5).astype(np.float64)
    others = {
        "next node": np.roll(a, 1, axis=1),
        "next simulation": noise.normals(SEEDS + np.uint64(1), 0, 4096, 5),
        "next variable": noise.normals(SEEDS, 1, 4096, 5),
        "next step": noise.normals(SEEDS, 0, 4096, 6),
        "high half of the seed": noise.normals(SEEDS << np.uint64(32), 0, 4096, 5),
    }
    for name, b in others.items():
        assert abs((a * b).mean()) < 5 / a.size**0.5, name


def test_pairs_of_nodes_are_spread_evenly_over_the_circle() -> None:
    """Box and Muller make two normals of a radius and an angle: the angle uniform, the radius independent of it."""
    z = noise.normals(SEEDS, 0, 8192, 3).astype(np.float64).reshape(-1, 2)
    angle = np.arctan2(z[:, 1], z[:, 0]) / (2 * np.pi) % 1.0
    surface = (z**2).sum(axis=1)
    assert stats.kstest(angle, "uniform").pvalue > 1e-4
    assert stats.kstest(surface / 2, "expon").pvalue > 1e-4
    # Each of sixteen sectors, made by the upper bits of the angle and its sign, has its share and the same radii.
    sector = (angle * 16).astype(int)
    assert stats.chisquare(np.bincount(sector, minlength=16)).pvalue > 1e-4
    assert stats.f_oneway(*(surface[sector == i] for i in range(16))).pvalue > 1e-4


def test_the_angle_and_the_radius_are_exact_to_rounding() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 2**32, (2, 100_000), dtype=np.uint32)
    a[:3], b[:4] = (0, 2**32 - 1, 2**31), (0, 2**32 - 1, 2**30, 2**31)
    found = np.stack(noise.box_muller(a, b)).astype(np.float64)
    u = ((a >> 8) + 0.5) / 2**24
    radius = np.sqrt(-2 * np.log(u.astype(np.float32).astype(np.float64)))
    quarter = (b << np.uint32(2)).view(np.int32) / 2**32 * (np.pi / 2)
    larger = np.where(b >> 31, -1, 1) * np.cos(quarter)
    turned = (b >> 30) & 1 == 1
    exact = radius * np.where(turned, [np.sin(quarter), larger], [larger, np.sin(quarter)])
    # Some ten roundings of the logarithm, the angle, the polynomials.
    assert np.abs(found - exact).max() < 10 * 2.0**-24 * radius.max()
    near_one = radius < 0.01  # where the logarithm is small it is as good, relatively
    assert (np.abs(found - exact)[:, near_one] <= 10 * 2.0**-24 * radius[near_one]).all()


def test_a_number_depends_on_its_own_place_only() -> None:
    whole = noise.normals(SEEDS, 1, 30, 9)
    part = noise.normals(SEEDS[5:6], 1, 11, 9)
    np.testing.assert_array_equal(whole[5, :11], part[0])


def test_uniforms_are_uniform() -> None:
    u = noise.uniforms(SEEDS, 0, 1024).ravel()
    assert stats.kstest(u, "uniform").pvalue > 1e-4


def test_additive_takes_one_amplitude() -> None:
    with pytest.raises(SimulationError, match="both"):
        noise.Additive(D=1.0, sigma=1.0)
    with pytest.raises(SimulationError, match="neither"):
        noise.Additive()
    with pytest.raises(SimulationError, match=">= 0"):
        noise.Additive(D=-1.0).sigmas(("x",))
    assert noise.Additive(D=0.5).sigmas(("x",)) == {"x": 1.0}


@pytest.mark.slow
def test_a_hundred_million_samples() -> None:
    """Moments, distribution and correlations between nodes, variables, seeds and steps at 1e8: five standard errors."""
    nodes, steps = 1 << 12, 400
    edges = np.linspace(-5, 5, 4001)
    counts = np.zeros(edges.size + 1)
    powers = np.zeros(4)
    products = np.zeros(4)
    before = np.zeros((SEEDS.size, nodes))
    for step in range(steps):
        z = noise.normals(SEEDS, step % 3, nodes, step).astype(np.float64)
        counts += np.bincount(np.searchsorted(edges, z.ravel()), minlength=counts.size)
        square = z * z
        powers += [z.sum(), square.sum(), (square * z).sum(), (square * square).sum()]
        other = noise.normals(SEEDS, 7, nodes, step) if step % 8 == 0 else np.zeros_like(z)
        products += [
            (z[:, 1:] * z[:, :-1]).sum(),
            (z[1:] * z[:-1]).sum(),
            (z * before).sum(),
            (z * other).sum(),
        ]
        before = z
    n = SEEDS.size * nodes * steps
    assert n > 1e8
    mean, second, third, fourth = powers / n
    assert abs(mean) < 5 / n**0.5
    assert abs(second - 1) < 5 * (2 / n) ** 0.5
    assert abs(third) < 5 * (15 / n) ** 0.5
    # Uniform words of 24 bits end at 5.9 standard deviations: the fourth moment lacks some 1e-6.
    assert abs(fourth - 3) < 5 * (96 / n) ** 0.5 + 1e-5
    assert (np.abs(products) < 5 * n**0.5).all()
    # Kolmogorov-Smirnov at the edges of the bins; 1.95 is exceeded once in a thousand.
    distance = np.abs(np.cumsum(counts)[:-1] / n - stats.norm.cdf(edges)).max()
    assert distance < 1.95 / n**0.5
