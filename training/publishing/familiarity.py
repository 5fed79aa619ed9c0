"""Fit what `app.model.familiarity` needs, on the features of a trained network."""

from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedKFold

from app.model.familiarity import Familiarity, unit
from training.transfer.head import fit_head

_COMPONENTS = 64
# So many of the training photos are compared with. The network pushes them out of the processor's
# cache for each photo, so that more of them cost time.
_BANK = 2000
# A component needs so many photos; fewer do not tell its variance.
_PHOTOS_FOR_COMPONENT = 4
_FOLDS = 5
_LOW = 0.05  # the quantile that stands for the spread of a term


def fit_familiarity(
    features: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray | None = None,
    others: np.ndarray | None = None,
) -> Familiarity:
    """Fit the measure of familiarity.

    Args:
        features: of training photos, float32 (photos, features).
        labels: theirs, int64 (photos,).
        known: features of photos that were not trained on, which are the measure for others. If
            None, cross-validation takes each fifth of the training photos in turn.
        others: features of pictures of other things, to tell them apart.
    """
    fitted = _fit(features, labels, others)
    if known is not None:
        terms = fitted.terms(known)[0]
    else:
        folds = StratifiedKFold(min(_FOLDS, int(np.bincount(labels).min())), shuffle=True)
        folds.random_state = 0
        parts = folds.split(features, labels)
        terms = np.concatenate(
            [_fit(features[a], labels[a], others).terms(features[b])[0] for a, b in parts]
        )
    middle = np.median(terms, axis=0)
    spread = np.maximum(middle - np.quantile(terms, _LOW, axis=0), 1e-6)
    fitted = replace(fitted, scales=np.stack([middle, spread], axis=1).astype(np.float32))
    return replace(fitted, known=np.sort(fitted.score(terms)))


def _fit(features: np.ndarray, labels: np.ndarray, others: np.ndarray | None) -> Familiarity:
    """Fit all but the scales of the terms and the scores of known photos."""
    rows = unit(features)
    mean = rows.mean(axis=0)
    centred = rows - mean
    components = min(_COMPONENTS, max(len(rows) // _PHOTOS_FOR_COMPONENT, 1), rows.shape[1] - 1)
    basis = np.linalg.svd(centred, full_matrices=False)[2][:components].T.astype(np.float16)
    inside = centred @ basis.astype(np.float32)
    centres = np.stack([inside[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    outside = np.square(centred).sum() - np.square(inside).sum()
    residual = max(float(outside) / len(rows) / (rows.shape[1] - components), 1e-9)
    gaps = inside - centres[labels]
    covariance = gaps.T @ gaps / len(gaps) + residual * np.eye(components)
    # In the order of their labels, so that each class keeps its share.
    kept = np.linspace(0, len(inside) - 1, min(_BANK, len(inside))).round().astype(int)
    kept = np.argsort(labels, kind="stable")[kept]
    return Familiarity(
        mean=mean.astype(np.float32),
        basis=basis,
        centres=centres.astype(np.float32),
        whitening=np.linalg.cholesky(np.linalg.inv(covariance)).astype(np.float32),
        residual=np.array(residual, np.float32),
        bank=np.round(127 * unit(inside[kept])).astype(np.int8),
        bank_labels=labels[kept].astype(np.uint16),
        scales=np.ones((2 if others is None else 3, 2), np.float32),
        other=_tell_apart(centred, others, mean),
        known=np.zeros(1, np.float32),
    )


def _tell_apart(known: np.ndarray, others: np.ndarray | None, mean: np.ndarray) -> np.ndarray:
    """Return the weights and the bias of the logit of "known" against others."""
    if others is None:
        return np.empty(0, np.float32)
    both = np.concatenate([unit(others) - mean, known])
    head = fit_head(both, np.repeat([0, 1], [len(others), len(known)]))
    return np.append(head.kernel[:, 0], head.bias).astype(np.float32)
