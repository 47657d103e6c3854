cwlVersion: v1.2
class: Workflow
label: zmumu
doc: Generates collisions with several seeds, adds them up and fits the Z peak, all in one job.

requirements:
  ScatterFeatureRequirement: {}

inputs:
  seeds: {type: "int[]", default: [1, 2, 3, 4]}
  events: {type: int, default: 10000}
  python: {type: string, default: python3}

steps:
  generate:
    run: generate.cwl
    scatter: seed
    in: {seed: seeds, events: events, python: python}
    out: [histogram]
  merge:
    run: merge.cwl
    in: {histograms: generate/histogram}
    out: [fit, plot]

outputs:
  fit: {type: File, outputSource: merge/fit}
  plot: {type: File, outputSource: merge/plot}
