# The smallest job: a command, one input, what it prints.
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs:
  message: {type: string, default: Hello, inputBinding: {position: 1}}
outputs:
  said: {type: stdout}
stdout: said.txt
