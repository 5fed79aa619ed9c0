"""The part of a model card about decisions, as Markdown."""

from app.model.card import Card, Metric, Thresholds


def decisions(card: Card) -> str:
    """Return the section on the thresholds; nothing for a version without them."""
    found = card.thresholds
    if found is None:
        return ""
    origin = (
        "answers of cross-validation" if found.cross_validated else "photos that were kept apart"
    )
    photos = sum(found.photos.values())
    least = min(found.photos.values())
    parts = [
        "## Decisions",
        f"Calibrated on {photos:,} {origin}, {least:,} of each label at least. By default a "
        f"photo is `unknown` if less than {found.min_familiarity:.1%} of known photos are so "
        f"little familiar, and the set of possible labels may miss the true one at an error rate "
        f"of {found.error:.1%}. The most probable label is always in the set.",
        _accepted(found),
        _sets(found),
    ]
    return "\n\n".join(part for part in parts if part)


def _accepted(found: Thresholds) -> str:
    if not found.accepted:
        return ""
    lines = ["| familiarity at least | test photos kept | other pictures refused |"]
    lines.append("| --- | --- | --- |")
    for each in found.accepted:
        refused = _share(each.other_refused) if each.other_refused else "not measured"
        lines.append(f"| {each.min_familiarity:.1%} | {_share(each.known)} | {refused} |")
    return "\n".join(lines)


def _sets(found: Thresholds) -> str:
    if not found.sets:
        return ""
    lines = ["| error rate | label | true label in the set | sets of one label, all photos |"]
    lines.append("| --- | --- | --- | --- |")
    for figures in found.sets:
        decided = _share(figures.decided)
        for label, coverage in figures.coverage.items():
            cell = label.replace("|", "\\|")
            lines.append(f"| {figures.error:.0%} | {cell} | {_share(coverage)} | {decided} |")
    return "\n".join(lines)


def _share(metric: Metric) -> str:
    return f"{metric.value:.1%} ({metric.low:.1%} to {metric.high:.1%})"


def int8(card: Card) -> str:
    """Return the section on the network in int8; nothing for a version without it."""
    if card.int8 is None:
        return ""
    metrics = card.int8.metrics
    lines = ["| figure | int8 | float32 | photos |", "| --- | --- | --- | --- |"]
    for name, metric in metrics.items():
        if name.startswith("float_"):
            continue
        usual = metrics.get(f"float_{name}")
        cell = f"{usual.value:.4f}" if usual else ""
        label = name.replace("_", " ")
        lines.append(f"| {label} | {metric.value:.4f} | {cell} | {metric.samples:,} |")
    return (
        "## In int8\n\nThe service runs this network with whole numbers of 8 bits where that is "
        "faster. A difference is one of probabilities, for the same photo.\n\n" + "\n".join(lines)
    )
