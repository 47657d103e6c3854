# Two steps, the second of which reads what the first has written.
cwlVersion: v1.2
class: Workflow
doc: Counts the words of a text and keeps the most frequent ones.
inputs:
  text: {type: File}
  most: {type: int, default: 3, doc: How many words to keep.}
steps:
  count:
    run: count.cwl
    in: {text: text}
    out: [counts]
  keep:
    run:
      class: CommandLineTool
      inputs:
        most: {type: int, inputBinding: {prefix: -n}}
        counts: {type: File, inputBinding: {position: 1}}
      outputs:
        top: {type: stdout}
      baseCommand: head
      stdout: top.txt
    in: {most: most, counts: count/counts}
    out: [top]
outputs:
  top: {type: File, outputSource: keep/top}
