cwlVersion: v1.2
class: CommandLineTool
label: zmumu-generate
doc: Generates collisions with one seed and writes the histogram of the muon pairs' mass.

$namespaces: {dirac: "https://diracgrid.org/cwl#"}
hints:
  dirac:Job: {schema_version: "1.0", group: zmumu}

requirements:
  ResourceRequirement: {coresMin: 1, ramMin: 512}
  ToolTimeLimit: {timelimit: 3600}

inputs:
  seed: {type: int, doc: Each job needs its own.}
  events: {type: int, default: 10000, doc: Collisions of one job.}
  python: {type: string, default: python3, doc: A Python; with pythia8mc the generator is Pythia 8.}
  script: {type: File, default: {class: File, location: generate.py}}

arguments:
  - $(inputs.python)
  - $(inputs.script.path)
  - --seed
  - $(inputs.seed)
  - --events
  - $(inputs.events)
  - --output
  - zmumu-$(inputs.seed).json

outputs:
  histogram: {type: File, outputBinding: {glob: "zmumu-*.json"}}
