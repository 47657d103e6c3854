#!/usr/bin/env python3
# ruff: noqa: B905, UP031  runs by itself on any Python from 3.9 on
"""Adds up the histograms of many generator jobs, fits the Z peak, and draws it. Standard library only.

    python merge.py [zmumu-1.json zmumu-2.json ...]      # without names: every zmumu-*.json below this directory

Writes fit.json and zmumu.svg.
"""

import argparse
import json
import math
import sys
from pathlib import Path

FIT_LOW_GEV, FIT_HIGH_GEV = 75.0, 112.0
STEPS_MAX = 200
# Energies that radiation takes from a pair, 0.2 to 20 GeV.
LOSSES_GEV = [0.2 * 100 ** ((index + 0.5) / 40) for index in range(40)]
START = {"mass": 91.0, "width": 2.5}


def main():
    """Reads, adds, fits, draws, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--fit", type=Path, default=Path("fit.json"))
    parser.add_argument("--plot", type=Path, default=Path("zmumu.svg"))
    options = parser.parse_args()
    files = options.files or sorted(Path().rglob("zmumu-*.json"))
    if not files:
        sys.exit(
            "There is no zmumu-*.json below %s: give the histograms of the generator jobs as arguments." % Path.cwd()
        )
    summary = add_up([json.loads(path.read_text(encoding="utf-8")) for path in files])
    points = [point for point in summary["points"] if FIT_LOW_GEV <= point[0] <= FIT_HIGH_GEV]
    fit = fit_peak(points, summary["bin_gev"])
    document = {
        "mass_gev": fit["values"][0],
        "mass_error_gev": fit["errors"][0],
        "width_gev": fit["values"][1],
        "width_error_gev": fit["errors"][1],
        "chi2": fit["chi2"],
        "ndf": fit["ndf"],
        "events": summary["events"],
        "pairs": summary["pairs"],
        "histograms": len(files),
        "generator": ", ".join(summary["generators"]),
        "cross_section_pb": summary["cross_section_pb"],
    }
    options.fit.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    options.plot.write_text(draw(summary, fit, document), encoding="utf-8")
    print("%(histograms)d histograms, %(events)d events, %(pairs)d muon pairs" % document)
    print("generator  %(generator)s" % document)
    print("Z mass     %(mass_gev).3f +- %(mass_error_gev).3f GeV" % document)
    print("Z width    %(width_gev).3f +- %(width_error_gev).3f GeV" % document)
    print("chi2/ndf   %(chi2).1f / %(ndf)d" % document)
    print("plot       %s" % options.plot)
    return 0


def add_up(documents):
    """One histogram of all; two jobs with the same seed would count the same events twice, so that is refused."""
    seeds = [document["seed"] for document in documents]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        sys.exit("Seeds %s appear more than once: these are the same events, not more of them." % twice)
    first = documents[0]["histogram"]
    edges = {(d["histogram"]["low_gev"], d["histogram"]["high_gev"], len(d["histogram"]["counts"])) for d in documents}
    if len(edges) > 1:
        sys.exit("The histograms have different bins and cannot be added: %s" % sorted(edges))
    counts = [sum(column) for column in zip(*(document["histogram"]["counts"] for document in documents))]
    width = (first["high_gev"] - first["low_gev"]) / len(counts)
    known = [document["cross_section_pb"] for document in documents if document.get("cross_section_pb")]
    return {
        "points": [(first["low_gev"] + (index + 0.5) * width, count) for index, count in enumerate(counts)],
        "bin_gev": width,
        "low_gev": first["low_gev"],
        "high_gev": first["high_gev"],
        "events": sum(document["events"] for document in documents),
        "pairs": sum(counts),
        "generators": sorted({document["generator"] for document in documents}),
        "cross_section_pb": sum(known) / len(known) if known else None,
    }


def sharp(mass_gev, parameters):
    """Pairs per GeV that kept their energy, and a falling background, which is mostly the photon's."""
    return parameters[2] * (1 - parameters[5]) * peak(mass_gev, parameters) + background(mass_gev, parameters)


def radiated(mass_gev, parameters):
    """Pairs per GeV that lost energy x to a photon outside of the cone, with a probability like dx / x."""
    # Equal steps in log x have equal weights.
    tail = sum(peak(mass_gev + loss_gev, parameters) for loss_gev in LOSSES_GEV) / len(LOSSES_GEV)
    return parameters[2] * parameters[5] * tail


def peak(mass_gev, parameters):
    """A relativistic Breit-Wigner, one at its top, with a width that grows with the mass."""
    mass, width = parameters[0], parameters[1]
    square, centre = mass_gev * mass_gev, mass * mass
    running = square * square * width * width / centre
    return centre * width * width / ((square - centre) ** 2 + running) * (mass_gev / mass) ** 2


def background(mass_gev, parameters):
    """The part of the model that is no Z."""
    return parameters[3] * math.exp(-parameters[4] * (mass_gev - 91.0))


def expected(mass_gev, parameters, bin_gev):
    """Pairs in a bin: Simpson's rule for what is curved within one bin, the middle for what is smooth."""
    half = bin_gev / 2
    ends = sharp(mass_gev - half, parameters) + sharp(mass_gev + half, parameters)
    return bin_gev * ((ends + 4 * sharp(mass_gev, parameters)) / 6 + radiated(mass_gev, parameters))


def fit_peak(points, bin_gev):
    """Least squares by Gauss and Newton, with Marquardt's damping against steps that are too long."""
    top = max(count for _, count in points) / bin_gev
    parameters = [START["mass"], START["width"], top, max(top / 100, 0.1), 0.02, 0.05]
    damping, chi2 = 1e-3, chi_square(points, parameters, bin_gev)
    for _ in range(STEPS_MAX):
        matrix, vector = normal_equations(points, parameters, bin_gev)
        damped = [[value * (1 + damping * (r == c)) for c, value in enumerate(row)] for r, row in enumerate(matrix)]
        step = solve(damped, vector)
        trial = [value + change for value, change in zip(parameters, step)]
        trial_chi2 = chi_square(points, trial, bin_gev) if trial[1] > 0.05 and trial[2] > 0 else math.inf
        if trial_chi2 <= chi2:
            is_done = chi2 - trial_chi2 < 1e-7 * max(1.0, chi2)
            parameters, chi2, damping = trial, trial_chi2, damping / 10
            if is_done:
                break
        else:
            damping *= 10
            if damping > 1e12:
                break
    matrix, _ = normal_equations(points, parameters, bin_gev)
    errors = [math.sqrt(max(0.0, solve(matrix, unit(index))[index])) for index in range(len(parameters))]
    return {"values": parameters, "errors": errors, "chi2": chi2, "ndf": len(points) - len(parameters)}


def variance(count, prediction):
    """Pearson's: an empty bin has a variance too."""
    return max(prediction, 1.0) if count >= 0 else 1.0


def chi_square(points, parameters, bin_gev):
    """How far the model is from the counts."""
    total = 0.0
    for mass_gev, count in points:
        prediction = expected(mass_gev, parameters, bin_gev)
        total += (count - prediction) ** 2 / variance(count, prediction)
    return total


def normal_equations(points, parameters, bin_gev):
    """Curvature matrix and gradient vector of the linearised problem."""
    size = len(parameters)
    matrix, vector = [[0.0] * size for _ in range(size)], [0.0] * size
    for mass_gev, count in points:
        prediction = expected(mass_gev, parameters, bin_gev)
        weight = 1 / variance(count, prediction)
        slopes = []
        for index, value in enumerate(parameters):
            change = 1e-5 * max(abs(value), 1e-3)
            moved = [*parameters[:index], value + change, *parameters[index + 1 :]]
            slopes.append((expected(mass_gev, moved, bin_gev) - prediction) / change)
        for row in range(size):
            vector[row] += weight * slopes[row] * (count - prediction)
            for column in range(size):
                matrix[row][column] += weight * slopes[row] * slopes[column]
    return matrix, vector


def unit(index, size=6):
    """A column of the unit matrix."""
    return [1.0 if place == index else 0.0 for place in range(size)]


def solve(matrix, vector):
    """Gauss elimination with the largest pivot first."""
    rows = [[*row, value] for row, value in zip(matrix, vector)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        if rows[column][column] == 0.0:
            return [0.0] * size
        for row in range(column + 1, size):
            factor = rows[row][column] / rows[column][column]
            rows[row] = [value - factor * above for value, above in zip(rows[row], rows[column])]
    solution = [0.0] * size
    for row in reversed(range(size)):
        known = sum(rows[row][column] * solution[column] for column in range(row + 1, size))
        solution[row] = (rows[row][size] - known) / rows[row][row]
    return solution


class Frame:
    """A rectangle of the picture and the values that its sides stand for."""

    def __init__(self, box, x_range, y_range):
        self.left, self.top, self.right, self.bottom = box
        self.x_range, self.y_range = x_range, y_range

    def x(self, value):
        """Horizontal place of a value."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value):
        """Vertical place of a value."""
        low, high = self.y_range
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)


def draw(summary, fit, document):
    """The picture: counts with their errors, the curve, and below the pulls."""
    x_range = (summary["low_gev"], summary["high_gev"])
    highest = max(count + math.sqrt(count) for _, count in summary["points"]) * 1.12
    upper = Frame((90, 60, 780, 420), x_range, (0.0, highest))
    lower = Frame((90, 435, 780, 535), x_range, (-4.5, 4.5))
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 600" width="820" height="600" '
        'font-family="Helvetica, Arial, sans-serif" font-size="14" fill="#222">',
        '<rect width="820" height="600" fill="white"/>',
        text(435, 34, "Z \u2192 \u03bc\u207a\u03bc\u207b in pp collisions at 13.6 TeV", "middle", 20),
        *axes(upper, nice_ticks(0, highest, 6), with_x_labels=False),
        *axes(lower, [-4, -2, 0, 2, 4], with_x_labels=True),
        text(435, 580, "mass of the muon pair [GeV]", "middle", 16),
        '<g transform="translate(24 240) rotate(-90)">%s</g>'
        % text(0, 0, "pairs / %.1f GeV" % summary["bin_gev"], "middle", 16),
        '<g transform="translate(24 485) rotate(-90)">%s</g>' % text(0, 0, "pull", "middle", 14),
        curve(upper, lambda mass: expected(mass, fit["values"], summary["bin_gev"]), "#c0392b", ""),
        curve(upper, lambda mass: summary["bin_gev"] * background(mass, fit["values"]), "#2c6fbb", "6 4"),
        *data(upper, summary["points"]),
        *pulls(lower, summary, fit),
        *legend(upper, document),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def text(x, y, content, anchor="start", size=14, color="#222"):
    """One line of text."""
    escaped = content.replace("&", "&amp;").replace("<", "&lt;")
    return '<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="%s">%s</text>' % (
        x, y, anchor, size, color, escaped,
    )  # fmt: skip


def line(x1, y1, x2, y2, style='stroke="#222"'):
    """One straight line."""
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>' % (x1, y1, x2, y2, style)


def nice_ticks(low, high, count):
    """Round numbers that divide a range into about `count` parts."""
    raw = (high - low) / count
    size = 10 ** math.floor(math.log10(raw))
    step = min((factor * size for factor in (1, 2, 2.5, 5, 10)), key=lambda value: abs(value - raw))
    return [low + index * step for index in range(int((high - low) / step) + 1)]


def axes(frame, ticks, with_x_labels):
    """Border, grid, ticks and numbers."""
    width, height = frame.right - frame.left, frame.bottom - frame.top
    yield '<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#222"/>' % (
        frame.left, frame.top, width, height,
    )  # fmt: skip
    for value in ticks:
        y = frame.y(value)
        yield line(frame.left, y, frame.right, y, 'stroke="#ddd"')
        yield line(frame.left, y, frame.left + 6, y)
        yield text(frame.left - 8, y + 5, "%g" % value, "end", 13)
    low, high = frame.x_range
    value = low
    while value <= high:
        x = frame.x(value)
        yield line(x, frame.bottom, x, frame.bottom - (8 if value % 10 == 0 else 4))
        if with_x_labels and value % 10 == 0:
            yield text(x, frame.bottom + 18, "%g" % value, "middle", 13)
        value += 2


def curve(frame, height, color, dashes):
    """A function over the fitted range."""
    steps = 420
    places = [FIT_LOW_GEV + (FIT_HIGH_GEV - FIT_LOW_GEV) * index / steps for index in range(steps + 1)]
    points = " ".join("%.1f,%.1f" % (frame.x(place), frame.y(height(place))) for place in places)
    dash = ' stroke-dasharray="%s"' % dashes if dashes else ""
    return '<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>' % (points, color, dash)


def data(frame, points):
    """Counts as dots with their statistical errors."""
    for mass_gev, count in points:
        x, error = frame.x(mass_gev), math.sqrt(count)
        if count:
            yield line(x, frame.y(count - error), x, frame.y(count + error), 'stroke="black" stroke-width="1.2"')
        yield '<circle cx="%.1f" cy="%.1f" r="2.4" fill="black"/>' % (x, frame.y(count))


def pulls(frame, summary, fit):
    """Distance of each count from the curve in units of its error."""
    yield line(frame.left, frame.y(0), frame.right, frame.y(0), 'stroke="#c0392b" stroke-width="1.5"')
    for mass_gev, count in summary["points"]:
        if FIT_LOW_GEV <= mass_gev <= FIT_HIGH_GEV:
            prediction = expected(mass_gev, fit["values"], summary["bin_gev"])
            pull = (count - prediction) / math.sqrt(variance(count, prediction))
            place = frame.y(max(-4.4, min(4.4, pull)))
            yield '<circle cx="%.1f" cy="%.1f" r="2" fill="black"/>' % (frame.x(mass_gev), place)


def legend(frame, document):
    """The result in words."""
    x, y = frame.left + 16, frame.top + 28
    rows = [
        ("#222", "%(histograms)d jobs, %(events)d events, %(pairs)d pairs" % document),
        ("#222", document["generator"]),
        ("#c0392b", "m = %(mass_gev).3f \u00b1 %(mass_error_gev).3f GeV" % document),
        ("#c0392b", "\u0393 = %(width_gev).3f \u00b1 %(width_error_gev).3f GeV" % document),
        ("#c0392b", "\u03c7\u00b2/ndf = %(chi2).1f / %(ndf)d" % document),
        ("#2c6fbb", "background"),
    ]
    for index, (color, content) in enumerate(rows):
        yield text(x, y + 21 * index, content, "start", 14, color)


if __name__ == "__main__":
    sys.exit(main())
