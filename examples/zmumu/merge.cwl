cwlVersion: v1.2
class: CommandLineTool
label: zmumu-merge
doc: Adds up histograms, fits the Z peak and draws it.

$namespaces: {dirac: "https://diracgrid.org/cwl#"}
hints:
  dirac:Job: {schema_version: "1.0", group: zmumu}

requirements:
  ResourceRequirement: {coresMin: 1, ramMin: 256}

inputs:
  histograms: {type: "File[]", inputBinding: {position: 1}}
  script: {type: File, default: {class: File, location: merge.py}, inputBinding: {position: 0}}

baseCommand: python3

outputs:
  fit: {type: File, outputBinding: {glob: fit.json}}
  plot: {type: File, outputBinding: {glob: zmumu.svg}}
