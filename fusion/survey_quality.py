"""How good the survey of a site's radars is: one scale for all of them, learnt from what traffic shows.

Whether the stated poses are right to centimetres or to half a metre is a matter of who measured them and how,
and the same for the radars of a site. Nobody states it, but two radars that see the same vehicles show within
seconds how far they disagree. So the errors have the prior (scale * PRIOR)^2 with an unknown scale, a grid of
steps, each with its likelihood (empirical Bayes; Robbins 1956): what remains unknown of a pose is the mixture
over the scales. Where the radars agree it is centimetres, where they don't it is what the survey may be wrong
by until traffic has shown by how much.
"""

import math

import numpy as np

from core.arrays import F1, F2, F3, F64, I64
from core.kernel import kernel

# Of PRIOR (fusion.registration). Around an eighth (0.06 m, 0.03 degrees): a survey of the antenna to a
# decimetre (docs/commissioning.md); each step away a quarter as probable
SCALES: F64 = 2.0 ** np.arange(-5.0, 2.0)
USUAL_STEP = 2
LOG_PRIOR: F64 = -math.log(4.0) * np.abs(np.arange(len(SCALES)) - USUAL_STEP)


@kernel(inner=True)
def invert(A: F2, n: int) -> float:
    """Invert the symmetric positive definite A[:n, :n] in place; return the logarithm of its determinant.

    Gauss-Jordan: such a matrix needs no pivoting.
    """
    log_det = 0.0
    for k in range(n):
        log_det += math.log(A[k, k])
        pivot = 1.0 / A[k, k]
        A[k, k] = 1.0
        for j in range(n):
            A[k, j] *= pivot
        for i in range(n):
            if i != k:
                factor = A[i, k]
                A[i, k] = 0.0
                for j in range(n):
                    A[i, j] -= factor * A[k, j]
    return log_det


@kernel
def weigh_scales(
    information: F2, vector: F1, sigma: F1, scaled: F1, scales: F2, means: F2, covs: F3
) -> None:  # fmt: skip
    """Estimate n errors from their evidence under each of k scales, and mix them, into row 0.

    information : (n, n), vector : (n,) of the errors, without a prior;  sigma : (n,) their prior at scale 1
    scaled : (n,) 1: the scale counts, 0: the sigma is known
    scales : (3, k) the scales, logarithms of their prior probabilities; as a result, their probabilities
    means : (k + 1, n), covs : (k + 1, n, n) results: row 0 the mixture, the others of each scale
    """
    n, k = vector.shape[0], scales.shape[1]
    best, weight = -math.inf, scales[2]
    for g in range(k):
        cov, mean = covs[g + 1], means[g + 1]
        fit = scales[1, g]
        for i in range(n):
            own = sigma[i] * (scales[0, g] if scaled[i] > 0.0 else 1.0)
            for j in range(n):
                cov[i, j] = information[i, j]
            cov[i, i] += 1.0 / (own * own)
            fit -= math.log(own)
        fit -= 0.5 * invert(cov, n)
        for i in range(n):
            mean[i] = 0.0
            for j in range(n):
                mean[i] += cov[i, j] * vector[j]
            fit += 0.5 * mean[i] * vector[i]
        weight[g] = fit
        best = max(best, fit)
    total = 0.0
    for g in range(k):
        weight[g] = math.exp(weight[g] - best)
        total += weight[g]
    for g in range(k):
        weight[g] /= total
    for i in range(n):
        means[0, i] = 0.0
        for g in range(k):
            means[0, i] += weight[g] * means[g + 1, i]
    for i in range(n):
        for j in range(n):
            both = 0.0
            for g in range(k):
                spread = (means[g + 1, i] - means[0, i]) * (means[g + 1, j] - means[0, j])
                both += weight[g] * (covs[g + 1, i, j] + spread)
            covs[0, i, j] = both


def without_others(information: F64, vector: F64, wanted: I64, sigma: F64) -> tuple[F64, F64]:
    """Return what n errors' evidence says of the wanted ones alone; the others are marginalised.

    information : (n, n), vector : (n,), without a prior;  sigma : (n,) wide prior of the others
    """
    others = np.setdiff1d(np.arange(len(vector)), wanted)
    own, across = information[np.ix_(wanted, wanted)], information[np.ix_(wanted, others)]
    if not len(others):
        return own, vector[wanted]
    theirs = information[np.ix_(others, others)] + np.diag(sigma[others] ** -2.0)
    gain = np.linalg.solve(theirs, across.T).T
    return own - gain @ across.T, vector[wanted] - gain @ vector[others]
