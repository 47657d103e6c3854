#!/usr/bin/env python3
# ruff: noqa: PLC0415, PTH103, PTH120, PTH123, UP031  runs by itself on any Python from 3.9 on
"""Generates proton-proton collisions at 13.6 TeV that make a Z boson or a photon which decays to two muons.

Writes a histogram of the mass of the muon pair, 60 to 120 GeV, as JSON. The generator is Pythia 8 (`pip install
pythia8mc`); without it a few lines of standard library take its place, and say so.

    python generate.py --seed 1 --events 10000 --output zmumu-1.json
"""

import argparse
import json
import math
import os
import random
import sys
import time

LOW_GEV, HIGH_GEV, BINS = 60.0, 120.0, 120
PT_MIN_GEV, ETA_MAX = 20.0, 2.4
DRESSING_CONE = 0.1
Z_MASS_GEV, Z_WIDTH_GEV = 91.1876, 2.4952

SETTINGS = (
    "Print:quiet = on",
    "Beams:idA = 2212",
    "Beams:idB = 2212",
    "Beams:eCM = 13600.",
    # Z and photon exchange with their interference, decaying to muons only.
    "WeakSingleBoson:ffbar2gmZ = on",
    "23:onMode = off",
    "23:onIfAny = 13",
    "PhaseSpace:mHatMin = 50.",
    "PhaseSpace:mHatMax = 140.",
    # What happens to the rest of the protons does not move the muons: a tenth of the time without it.
    "PartonLevel:MPI = off",
    "HadronLevel:all = off",
    "Random:setSeed = on",
)


def main():
    """Generates, fills, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="each job needs its own, 1 to 900 million")
    parser.add_argument("--events", type=int, default=10000)
    parser.add_argument("--output", default="zmumu.json")
    parser.add_argument("--metadata", help="say here what is in the file, for the catalogue")
    options = parser.parse_args()
    start = time.process_time()
    try:
        import pythia8mc
    except ImportError:
        pythia8mc = None
    if pythia8mc is None:
        print(
            "*** pythia8mc is not installed here: this is NOT Pythia but a Breit-Wigner thrown by hand ***", flush=True
        )
        masses, facts = by_hand(options.seed, options.events)
    else:
        masses, facts = with_pythia(pythia8mc, options.seed, options.events)
    bins, outside = fill(masses)
    document = {
        **facts,
        "seed": options.seed,
        "events": options.events,
        "accepted": len(masses),
        "histogram": {"low_gev": LOW_GEV, "high_gev": HIGH_GEV, "counts": bins, "outside": outside},
    }
    with open(options.output, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
        stream.write("\n")
    if options.metadata:
        os.makedirs(os.path.dirname(options.metadata) or ".", exist_ok=True)
        with open(options.metadata, "w", encoding="utf-8") as stream:
            json.dump({options.output: {"Seed": options.seed, "Events": options.events}}, stream)
    print(
        "%s: seed %d, %d events, %d muon pairs accepted, %d in the histogram, %.1f s of CPU"
        % (facts["generator"], options.seed, options.events, len(masses), sum(bins), time.process_time() - start)
    )
    return 0


def with_pythia(pythia8mc, seed, events):
    """Masses of accepted muon pairs from Pythia 8."""
    pythia = pythia8mc.Pythia("", False)
    for setting in (*SETTINGS, "Random:seed = %d" % seed):
        if not pythia.readString(setting):
            sys.exit("Pythia does not know the setting %r" % setting)
    if not pythia.init():
        sys.exit("Pythia could not be initialised")
    masses = []
    for _ in range(events):
        if pythia.next():
            mass = pair_mass(pythia.event)
            if mass is not None:
                masses.append(mass)
    info = pythia.infoPython()
    facts = {
        "generator": "Pythia %.3f" % pythia.parm("Pythia:versionNumber"),
        "cross_section_pb": info.sigmaGen() * 1e9,
        "cross_section_error_pb": info.sigmaErr() * 1e9,
    }
    return masses, facts


def pair_mass(event):
    """Mass of the muon and the antimuon of an event, None if one of them would miss the detector."""
    muons, photons = [], []
    for particle in event:
        if particle.isFinal():
            kind = particle.id()
            if kind in (13, -13):
                muons.append(particle)
            elif kind == 22:
                photons.append(particle)
    if len(muons) != 2 or muons[0].id() == muons[1].id():
        return None
    total = [0.0, 0.0, 0.0, 0.0]
    for muon in muons:
        if muon.pT() < PT_MIN_GEV or abs(muon.eta()) > ETA_MAX:
            return None
        # A muon radiates; what it lost flies close to it and is added back, as the experiments do ("dressed" muons).
        near = [photon for photon in photons if distance(muon, photon) < DRESSING_CONE]
        for particle in [muon, *near]:
            for axis, value in enumerate((particle.e(), particle.px(), particle.py(), particle.pz())):
                total[axis] += value
    energy, x, y, z = total
    return math.sqrt(max(0.0, energy * energy - x * x - y * y - z * z))


def distance(one, other):
    """Distance of two particles in pseudorapidity and azimuth."""
    angle = abs(one.phi() - other.phi())
    return math.hypot(one.eta() - other.eta(), min(angle, 2 * math.pi - angle))


def by_hand(seed, events):
    """Masses from a Breit-Wigner, a falling background and a detector resolution, without any generator."""
    source = random.Random(seed)
    middle, scale = Z_MASS_GEV**2, Z_MASS_GEV * Z_WIDTH_GEV
    lowest, highest = (math.atan((edge**2 - middle) / scale) for edge in (50.0, 140.0))
    masses = []
    for _ in range(events):
        if source.random() < 0.03:
            mass = 50.0 + source.expovariate(1 / 25.0)
        else:
            mass = math.sqrt(middle + scale * math.tan(source.uniform(lowest, highest)))
        if source.random() < 0.45:
            masses.append(mass + source.gauss(0.0, 0.2))
    facts = {"generator": "standard library Monte Carlo (not Pythia)", "cross_section_pb": None}
    return masses, facts


def fill(masses):
    """Counts per bin, and how many lie outside of all bins."""
    counts, outside = [0] * BINS, 0
    for mass in masses:
        position = int((mass - LOW_GEV) / (HIGH_GEV - LOW_GEV) * BINS)
        if LOW_GEV <= mass < HIGH_GEV:
            counts[position] += 1
        else:
            outside += 1
    return counts, outside


if __name__ == "__main__":
    sys.exit(main())
