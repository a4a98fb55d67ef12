"""Throughput over time, with the faults marked."""

from __future__ import annotations

from pathlib import Path

from odradek.testing.chaos.history import History, Outcome

BIN_S = 0.1


def draw(history: History, seconds: float, path: Path) -> None:
    """Raises ValueError where matplotlib is not installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise ValueError("a picture needs matplotlib: pip install matplotlib") from None
    times = [write.done_s for write in history.writes if write.outcome is Outcome.OK]
    bins = [0] * (int(max([*times, seconds]) / BIN_S) + 1)
    for time in times:
        bins[int(time / BIN_S)] += 1
    figure, axes = pyplot.subplots(figsize=(12, 4))
    axes.step([index * BIN_S for index in range(len(bins))], [count / BIN_S for count in bins], where="post", lw=0.8)
    nodes = sorted({fault.node for fault in history.faults})
    colours = {node: f"C{number + 1}" for number, node in enumerate(nodes)}
    begun: dict[tuple[str, str], float] = {}
    for fault in history.faults:
        if not fault.healed:
            begun[fault.kind, fault.node] = fault.at_s
        elif (since := begun.pop((fault.kind, fault.node), None)) is not None:
            axes.axvspan(since, fault.at_s, color=colours[fault.node], alpha=0.25, lw=0)
            axes.text(since, axes.get_ylim()[1], fault.kind, rotation=90, va="top", fontsize=6)
    for node, colour in colours.items():
        axes.fill_between([], [], color=colour, alpha=0.25, label=node)
    axes.set_xlabel("seconds")
    axes.set_ylabel("acknowledged records/s")
    axes.legend(loc="lower right", fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
