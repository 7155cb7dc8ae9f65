"""The estimate under an unknown scale of the prior, against SciPy's multivariate normal on a grid."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from fusion.survey_quality import LOG_PRIOR, SCALES, weigh_scales

N = 4


def weighed(H, z, r, sigma, scaled):
    """Return mean, covariance and probabilities of the scales, from measurements z = H x + noise."""
    k = len(SCALES)
    scales = np.stack([SCALES, LOG_PRIOR, np.zeros(k)])
    means, covs = np.zeros((k + 1, N)), np.zeros((k + 1, N, N))
    weigh_scales(H.T @ H / r, H.T @ z / r, sigma, scaled, scales, means, covs)
    return means[0], covs[0], scales[2]


@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.02, 0.3, 2.0]))
def test_the_mixture_is_that_of_the_marginal_likelihoods(seed, size):
    rng = np.random.default_rng(seed)
    H, sigma, r = rng.normal(size=(6, N)), np.array([0.5, 0.5, 0.01, 0.1]), 0.04
    scaled = np.array([1.0, 1.0, 1.0, 0.0])
    z = H @ (size * sigma * rng.normal(size=N)) + 0.2 * rng.normal(size=6)
    mean, cov, weights = weighed(H, z, r, sigma, scaled)
    log_w, means, covs = [], [], []
    for scale, log_prior in zip(SCALES, LOG_PRIOR, strict=True):
        prior = np.diag((sigma * np.where(scaled > 0.0, scale, 1.0)) ** 2)
        S = H @ prior @ H.T + r * np.eye(6)
        K = prior @ H.T @ np.linalg.inv(S)
        log_w.append(log_prior + multivariate_normal(np.zeros(6), S).logpdf(z))
        means.append(K @ z)
        covs.append(prior - K @ H @ prior)
    w = np.exp(np.array(log_w) - max(log_w))
    w /= w.sum()
    want = (w[:, None] * means).sum(axis=0)
    spread = sum(wi * (c + np.outer(m - want, m - want)) for wi, c, m in zip(w, covs, means, strict=True))
    np.testing.assert_allclose(weights, w, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(mean, want, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(cov, spread, rtol=1e-6, atol=1e-10)
