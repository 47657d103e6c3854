# One tool over many files, in one job.
cwlVersion: v1.2
class: Workflow
requirements:
  ScatterFeatureRequirement: {}
inputs:
  texts: {type: "File[]"}
steps:
  count:
    run: count.cwl
    scatter: text
    in: {text: texts}
    out: [counts]
outputs:
  counts: {type: "File[]", outputSource: count/counts}
